"""How a struct of settings is filled from an environment and written down as an example."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from runtime.pem import PemError, read_pem

_S = TypeVar("_S", bound=msgspec.Struct)


class SettingsError(Exception):
    """The settings do not allow a start; every reason is named, no value is shown."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one environment variable."""

    name: str
    field: str
    group: str
    description: str
    kind: str
    default: Any
    required: bool
    aliases: tuple[str, ...]
    secret: bool
    pem: bool
    needed_by: str | None
    is_list: bool


def about(
    group: str,
    description: str,
    *,
    aliases: tuple[str, ...] = (),
    secret: bool = False,
    pem: bool = False,
    needed_by: str | None = None,
) -> Meta:
    """Describe a setting; *needed_by* names the provider or environment it is required for."""
    extra = {"aliases": aliases, "secret": secret or pem, "pem": pem, "needed_by": needed_by}
    return Meta(description=description, extra={"group": group, **extra})


def variables(struct: type[msgspec.Struct]) -> Iterator[Variable]:
    """List every setting of *struct*, in its order."""
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        meta = next(m for m in hints[field.name].__metadata__ if isinstance(m, Meta) and m.extra)
        extra = meta.extra or {}
        yield Variable(
            name=field.name.upper(),
            field=field.name,
            description=meta.description or "",
            kind=_kind(hints[field.name]),
            default=None if field.required else field.default,
            required=field.required,
            is_list=get_origin(get_args(hints[field.name])[0]) is tuple,
            **extra,
        )


def gather(struct: type[_S], environ: Mapping[str, str]) -> _S:
    """Fill *struct* from *environ*; an old name is read where the new one is not set.

    :raises SettingsError: names every variable that is missing or malformed.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for variable in variables(struct):
        text = _text(variable, environ)
        if text is None:
            if variable.required:
                problems.append(f"{variable.name} is missing")
            continue
        _take(struct, variable, text, values, problems)
    if problems:
        raise SettingsError(problems)
    return struct(**values)


def as_env_example(struct: type[msgspec.Struct]) -> str:
    """Write every setting with its description and default; nothing secret has a default."""
    lines = ["# Every setting of the service. Made from runtime/settings.py; do not edit."]
    group = ""
    for variable in variables(struct):
        if variable.group != group:
            group = variable.group
            lines += ["", f"# [{group}]"]
        lines += ["", f"# {variable.description}", f"# {_remarks(variable)}"]
        mark = "" if variable.required else "# "
        lines.append(f"{mark}{variable.name}={_shown(variable.default)}")
    return "\n".join(lines) + "\n"


def _text(variable: Variable, environ: Mapping[str, str]) -> str | None:
    names = (variable.name, *variable.aliases)
    return next((environ[name] for name in names if environ.get(name)), None)


def _take(
    struct: type[msgspec.Struct],
    variable: Variable,
    text: str,
    values: dict[str, Any],
    problems: list[str],
) -> None:
    raw: object = text
    hint = get_type_hints(struct, include_extras=True)[variable.field]
    try:
        if variable.pem:
            raw = read_pem(text)
        if variable.is_list:
            raw = [part.strip() for part in text.split(",") if part.strip()]
        values[variable.field] = msgspec.convert(raw, hint, strict=False)
    except PemError as error:
        problems.append(f"{variable.name}: {error}")
    except msgspec.ValidationError as error:
        # The library's words name types and bounds; for a secret not even those are shown.
        problems.append(f"{variable.name}: {'malformed' if variable.secret else error}")


def _kind(hint: Any) -> str:  # noqa: ANN401  # annotations have no common type
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if get_origin(plain) is tuple:
        return "list"
    named = next((a for a in get_args(plain) if a is not type(None)), plain)
    if get_origin(named) is Annotated:
        named = get_args(named)[0]
    return str(getattr(named, "__name__", named))


def _remarks(variable: Variable) -> str:
    needed = f"required for {variable.needed_by}" if variable.needed_by else "optional"
    words = [variable.kind, "required" if variable.required else needed]
    words += ["secret"] if variable.secret else []
    words += ["PEM, PEM with \\n for line ends, or a file's path"] if variable.pem else []
    words += [f"also read from {' or '.join(variable.aliases)}"] if variable.aliases else []
    return ", ".join(words)


def _shown(default: object) -> str:
    if default is None or default == ():
        return ""
    return str(int(default)) if isinstance(default, bool) else str(default)
