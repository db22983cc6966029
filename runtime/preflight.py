"""What an operator asks before payments are opened: whether settings and database allow it.

Nothing is written and nobody is called, so it may be asked at any time, also before a provider is
enabled.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from models.engine import Database
from models.invariants import Finding
from models.preflight import check_preflight
from runtime.addresses import is_loopback, is_public
from runtime.groups.payment import PROVIDERS
from runtime.registry import missing, variables
from runtime.settings import Settings, SettingsError, read_settings

Problems = Callable[[Settings], list[str]]

_FOUND = 1
_NO_DATABASE = 78  # a configuration fault, by the old convention of sysexits.h
_DEFAULT = Settings(database_url="", jwt_secret="")


def preflight(problems_of: Problems, *, provider: str | None = None) -> int:
    """Print every question and how many rows or settings speak against it.

    The status says whether any does. *provider* takes the place of PAYMENT_PROVIDER; *problems_of*
    names why providers cannot be built.
    """
    dsn = os.environ.get("DATABASE_URL")
    if not dsn:
        sys.stderr.write("DATABASE_URL is missing\n")
        return _NO_DATABASE
    settings, findings = about_settings(os.environ, problems_of, provider=provider)
    findings = [*findings, *asyncio.run(_about_rows(dsn, settings or _DEFAULT))]
    sys.stdout.write(table(findings))
    return _FOUND if any(finding.violations for finding in findings) else 0


def about_settings(
    environ: Mapping[str, str], problems_of: Problems, *, provider: str | None = None
) -> tuple[Settings | None, list[Finding]]:
    """Say what of the settings would keep a start, a signature or a notice from succeeding.

    The settings are None where they cannot even be read.
    """
    told = {**environ, "PAYMENT_PROVIDER": provider} if provider else environ
    try:
        settings = read_settings(told)
    except SettingsError as error:
        return None, [_finding("settings.start", error.problems)]
    return settings, [
        _finding("settings.start", []),
        _finding("settings.keys", [*_half_configured(settings), *problems_of(settings)]),
        _finding("settings.notify_url", notify_problems(settings)),
    ]


def notify_problems(settings: Settings) -> list[str]:
    """Name why a provider could not send notices where it is told to.

    Providers of real money want https, an address that the world can reach, and no parameters
    (WeChat Pay v3, ordering, notify_url, read 2026-11).
    """
    name, url = _notify_address(settings)
    parts = urlsplit(url)
    host = parts.hostname or ""
    if settings.is_sandbox and is_loopback(host):
        return []
    problems = []
    if parts.scheme != "https":
        problems.append(f"{name} is not https")
    if not is_public(host):
        problems.append(f"{name} cannot be reached from outside")
    if parts.query or parts.fragment:
        problems.append(f"{name} has parameters")
    return problems


def table(findings: Sequence[Finding]) -> str:
    """Write findings one below the other: name, number, and which."""
    width = max(len(finding.id) for finding in findings)
    lines = [
        f"{finding.id:<{width}}  {finding.violations:>6}  {finding.detail or ''}".rstrip()
        for finding in findings
    ]
    return "\n".join([*lines, ""])


def _notify_address(settings: Settings) -> tuple[str, str]:
    if settings.payment_provider == "wechat":
        own = settings.wechat_pay_notify_url
        return ("APP_URL" if own is None else "WECHAT_PAY_NOTIFY_URL"), settings.notify_url
    if settings.payment_provider == "alipay":
        own = settings.alipay_notify_url
        return ("APP_URL" if own is None else "ALIPAY_NOTIFY_URL"), settings.alipay_notices_url
    # The others send where they were told on their own pages, which is below this.
    return "APP_URL", settings.app_url


def _half_configured(settings: Settings) -> list[str]:
    """Name what providers lack that have something: without it they are not there at all."""
    told = {v.needed_by for v in variables(Settings) if getattr(settings, v.field)} - {None}
    return [
        f"{name} is missing, so {provider} is left out"
        for provider in PROVIDERS
        if provider in told
        for name in missing(settings, {provider})
    ]


def _set_up(settings: Settings) -> list[str] | None:
    """Name the providers that have all they need; None where the settings could not be read."""
    if settings is _DEFAULT:
        return None
    return [provider for provider in PROVIDERS if not missing(settings, {provider})]


def _finding(name: str, problems: Sequence[str]) -> Finding:
    return Finding(id=name, violations=len(problems), detail="; ".join(problems) or None)


async def _about_rows(dsn: str, settings: Settings) -> list[Finding]:
    database = await Database.connect(dsn, max_size=1, is_patient=True)
    # An intent is ended by the first sweep after its time, if there is a sweep at all.
    idle_min = settings.payments_intent_expire_min + settings.payments_job_cleanup_interval_min
    try:
        return await check_preflight(
            database, intent_idle_min=idle_min, providers=_set_up(settings)
        )
    finally:
        await database.close()
