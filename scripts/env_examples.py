"""Writes .env.example and .env.example.full from the registry of settings."""

from collections.abc import Iterator
from itertools import groupby

from runtime.groups.payment import PROVIDERS
from runtime.registry import GROUPS, Variable, variables
from runtime.settings import Settings
from scripts.stamp import ROOT

MINIMAL = ROOT / ".env.example"
FULL = ROOT / ".env.example.full"

_MADE = "# Made by scripts/generate_env_examples.py; do not edit."
_BEGINNING = f"""\
# What must be set for production; every other setting stands in .env.example.full.
{_MADE}
# Keys: PEM, PEM with \\n for line ends, bare base64, or a file's path.
"""
_BEGINNING_OF_FULL = f"""\
# Every setting of the service, with its default; nothing secret has one.
{_MADE}
"""


def minimal() -> str:
    """Write what must be set, and what each provider needs besides."""
    known = list(variables(Settings))
    lines = [_BEGINNING]
    lines += [_line(v, must=True) for v in known if v.required or v.needed_by == "production"]
    lines += ["", f"# Provider of new orders: {', '.join(PROVIDERS[:-1])}. Fill in what it needs."]
    lines += ["# PAYMENT_PROVIDER=wechat"]
    for provider in PROVIDERS:
        needed = [v for v in known if v.needed_by == provider]
        # The mock is the sandbox's, which brings its own settings.
        if provider != "mock":
            lines += ["", f"# [{GROUPS[provider]}]", *(_line(v, must=False) for v in needed)]
    return "\n".join(lines) + "\n"


def full() -> str:
    """Write every setting, group by group."""
    lines = [_BEGINNING_OF_FULL]
    for group, members in groupby(variables(Settings), key=lambda v: v.group):
        lines += [f"# [{group}] {GROUPS[group]}", ""]
        for variable in members:
            lines += [f"# {variable.description}", f"# {remarks(variable)}"]
            lines += [_line(variable, must=variable.required), ""]
    return "\n".join(lines)


def remarks(variable: Variable) -> str:
    """Say of a setting what its description does not: kind, limits, need, secrecy, other names."""
    return ", ".join(_remarks(variable))


def summary() -> str:
    """Count the settings, and list those without which there is no start."""
    known = list(variables(Settings))
    counts = f"{len(known)} settings, {sum(v.secret for v in known)} secret"
    lines = [counts, *(f"  {g}: {sum(v.group == g for v in known)}" for g in GROUPS)]
    lines.append(f"required: {', '.join(v.name for v in known if v.required)}")
    for need in ("production", *PROVIDERS):
        names = ", ".join(v.name for v in known if v.needed_by == need)
        lines.append(f"required for {need}: {names}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write both files and say what is in them."""
    for file, text in ((MINIMAL, minimal()), (FULL, full())):
        # Whoever reads one meanwhile finds it whole.
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    print(summary(), end="")
    return 0


def _line(variable: Variable, *, must: bool) -> str:
    return f"{'' if must else '# '}{variable.name}={_shown(variable.default)}"


def _remarks(variable: Variable) -> Iterator[str]:
    yield f"type {variable.kind}"
    yield from variable.limits
    if variable.required:
        yield "required"
    else:
        yield f"required for {variable.needed_by}" if variable.needed_by else "optional"
    if variable.secret:
        yield "secret"
    if variable.pem:
        several = "; several one after another or comma separated" if variable.is_list else ""
        yield f"PEM, PEM with \\n for line ends, bare base64, or a file's path{several}"
    if variable.aliases:
        yield f"also read from {' or '.join(variable.aliases)}"


def _shown(default: object) -> str:
    if default is None or default == ():
        return ""
    return str(int(default)) if isinstance(default, bool) else str(default)
