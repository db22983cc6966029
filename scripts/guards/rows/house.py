"""What keeps the house."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import API

_PRODUCTION = f"{API}settings.py::TestProduction::test_refuses_what_belongs_to_the_sandbox"

HOUSE = (
    Guard(
        "production.secrets",
        "production refuses the sandbox's secrets",
        "runtime/environments.py",
        'if any(_SANDBOX_MARK.match(one.strip()) for one in secret.split(","))',
        "if False",
        f"{_PRODUCTION}[JWT_SECRET-sandbox-{'x' * 40}]",
    ),
    Guard(
        "production.mock",
        "production refuses a provider that takes no money",
        "runtime/environments.py",
        "if provider not in known:",
        "if False:",
        f"{_PRODUCTION}[PAYMENT_PROVIDER-mock]",
    ),
    Guard(
        "production.gateway",
        "production speaks to no simulator",
        "runtime/real_money.py",
        "if not _is_real(called.address)",
        "if False",
        f"{_PRODUCTION}[WECHAT_PAY_GATEWAY-https://localhost]",
    ),
    Guard(
        "production.test_keys",
        "production takes no test key: whoever pays with a test card would get a place",
        "runtime/real_money.py",
        "if key and _TEST_KEY.match(key)",
        "if False",
        f"{_PRODUCTION}[STRIPE_SECRET_KEY-sk_test_x]",
    ),
    Guard(
        "sandbox.live_keys",
        "the sandbox takes no live key: who plays there is never charged",
        "runtime/real_money.py",
        "if key and _LIVE_KEY.match(key)",
        "if False",
        f"{API}settings.py::TestTheSandbox::test_refuses_what_is_real[STRIPE_SECRET_KEY-sk_live_x]",
    ),
    Guard(
        "sandbox.addresses",
        "the sandbox calls nobody outside",
        "runtime/real_money.py",
        "if called.is_used and not is_loopback",
        "if False and not is_loopback",
        f"{API}settings.py::TestTheSandbox::"
        "test_refuses_the_real_address_of_every_provider_by_default[STRIPE_API_BASE]",
    ),
    Guard(
        "settings.enabled",
        "a provider that is enabled has all it needs, or nothing starts",
        "runtime/environments.py",
        "for name in missing(settings, {*wanted, settings.app_env})",
        "for name in missing(settings, {settings.app_env})",
        f"{API}settings.py::TestAProvider::"
        "test_that_is_enabled_has_all_it_needs_or_all_it_lacks_is_named"
        "[PAYMENT_CHANNELS_ENABLED-stripe]",
    ),
    Guard(
        "production.failpoints",
        "production has no failpoints",
        "runtime/environments.py",
        "if settings.guichet_failpoints:",
        "if False:",
        f"{_PRODUCTION}[GUICHET_FAILPOINTS-failpoints]",
    ),
    Guard(
        "production.login",
        "production has no door for pretended people",
        "api/app.py",
        "*(SANDBOX_ROUTES if settings.is_sandbox else ()),",
        "*SANDBOX_ROUTES,",
        f"{API}process.py::TestTheProcess::test_has_no_sandbox_doors_in_production",
    ),
    Guard(
        "log.keys",
        "the log takes only keys on its list",
        "runtime/logs.py",
        "lost = [key for key in line if key not in LOGGABLE_KEYS]",
        "lost: list[str] = []",
        f"{API}logs.py::TestALogLine::test_loses_what_is_not_on_the_list",
    ),
    Guard(
        "log.messages",
        "the log takes no message of an exception",
        "runtime/logs.py",
        "    _filter_exception,\n",
        "    structlog.processors.format_exc_info,\n",
        f"{API}logs.py::TestALogLine::test_tells_an_exception_without_its_message",
    ),
    Guard(
        "process.dies",
        "no worker outlives its main process",
        "api/app.py",
        "die_with_parent(int(main_pid))",
        "int(main_pid)",
        f"{API}process.py::TestTheProcess::test_takes_its_workers_with_it",
    ),
)
