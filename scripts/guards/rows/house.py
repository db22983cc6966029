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
        'if provider == "mock" and not settings.is_sandbox:',
        "if False:",
        f"{_PRODUCTION}[PAYMENT_PROVIDER-mock]",
    ),
    Guard(
        "production.gateway",
        "production speaks to no simulator",
        "runtime/real_money.py",
        'if parts.scheme != "https" or is_loopback(host) or host.endswith(_ALIPAY_SANDBOX):',
        "if False:",
        f"{_PRODUCTION}[WECHAT_PAY_GATEWAY-https://localhost]",
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
