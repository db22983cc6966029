"""How settings are declared, listed, and read from an environment."""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from runtime.pem import PemError, read_pem, read_pems

_S = TypeVar("_S")

# In the order in which they are listed.
GROUPS: Final = {
    "house": "the house and its world",
    "http": "where the API listens, and what it tells older clients",
    "stores": "the database, and what saves it work",
    "people": "tokens, gifts and tickets",
    "sale": "how long orders wait",
    "payment": "which providers take money",
    "wechat": "WeChat Pay",
    "stripe": "Stripe",
    "pingxx": "Ping++",
    "alipay": "Alipay",
    "mock": "the pretended provider, sandbox only",
    "frontend": "what pages are told",
    "worker": "how often the worker looks",
    "notify": "mail, and news for colleagues",
    "telemetry": "traces and metrics",
}


class SettingsError(Exception):
    """The settings do not allow a start; every reason is named, no value is shown."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one environment variable.

    *limits* are what its values are held to, in words, *checks* what no word of msgspec's can say;
    a type brings them as the ``check`` of a Meta. *needed_by* names the provider or
    environment it is required for.
    """

    name: str
    field: str
    group: str
    description: str
    kind: str
    limits: tuple[str, ...]
    checks: tuple[Callable[[Any], bool], ...]
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
    extra = {"aliases": aliases, "secret": secret, "pem": pem, "needed_by": needed_by}
    return Meta(description=description, extra={"group": group, **extra})


def variables(settings: type[Any]) -> Iterator[Variable]:
    """List every setting, group by group."""
    hints = get_type_hints(settings, include_extras=True)
    listed = [_variable(field, hints[field.name]) for field in dataclasses.fields(settings)]
    groups = list(GROUPS)
    yield from sorted(listed, key=lambda variable: groups.index(variable.group))


def missing(settings: object, wanted_for: Collection[str]) -> list[str]:
    """Name every setting without a value that one of *wanted_for* needs."""
    return [
        variable.name
        for variable in variables(type(settings))
        if variable.needed_by in wanted_for and not _is_set(settings, variable)
    ]


def has_secret(settings: object, wanted_for: str) -> bool:
    """Tell whether any secret that *wanted_for* needs has a value."""
    return any(
        variable.needed_by == wanted_for and variable.secret and _is_set(settings, variable)
        for variable in variables(type(settings))
    )


def gather(settings: type[_S], environ: Mapping[str, str]) -> _S:
    """Fill *settings* from *environ*; an old name is read where the new one is not set.

    :raises SettingsError: names every variable that is missing or malformed.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    hints = get_type_hints(settings, include_extras=True)
    for variable in variables(settings):
        text = _text(variable, environ)
        if text is None:
            if variable.required:
                problems.append(f"{variable.name} is missing")
            continue
        _take(hints[variable.field], variable, text, values, problems)
    if problems:
        raise SettingsError(problems)
    return settings(**values)


def _is_set(settings: object, variable: Variable) -> bool:
    return getattr(settings, variable.field) not in (None, ())


def _text(variable: Variable, environ: Mapping[str, str]) -> str | None:
    names = (variable.name, *variable.aliases)
    return next((environ[name] for name in names if environ.get(name)), None)


def _take(
    hint: Any,  # noqa: ANN401 - annotations have no common type
    variable: Variable,
    text: str,
    values: dict[str, Any],
    problems: list[str],
) -> None:
    try:
        value = msgspec.convert(_raw(variable, text), hint, strict=False)
        if not all(check(value) for check in variable.checks):
            problems.append(f"{variable.name}: malformed, {', '.join(variable.limits)} wanted")
        values[variable.field] = value
    except PemError as error:
        problems.append(f"{variable.name}: {error}")
    except msgspec.ValidationError as error:
        # The library's words name types and bounds; for a secret not even those are shown.
        problems.append(f"{variable.name}: {'malformed' if variable.secret else error}")


def _raw(variable: Variable, text: str) -> object:
    if variable.pem:
        return list(read_pems(text)) if variable.is_list else read_pem(text)
    if variable.is_list:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _variable(field: "dataclasses.Field[Any]", hint: Any) -> Variable:  # noqa: ANN401 - as above
    meta = next(m for m in hint.__metadata__ if isinstance(m, Meta) and "group" in (m.extra or {}))
    plain = _plain(hint)
    required = field.default is dataclasses.MISSING
    return Variable(
        name=field.name.upper(),
        field=field.name,
        description=meta.description or "",
        kind="list" if plain is tuple else _kind(plain),
        limits=tuple(_limits(hint)),
        checks=tuple(m.extra["check"] for m in _metas(hint) if m.extra and "check" in m.extra),
        default=None if required else field.default,
        required=required,
        is_list=plain is tuple,
        **(meta.extra or {}),
    )


def _plain(hint: Any) -> Any:  # noqa: ANN401 - as above
    if get_origin(hint) is Annotated:
        return _plain(get_args(hint)[0])
    if get_origin(hint) is tuple:
        return tuple
    others = [arg for arg in get_args(hint) if arg is not type(None)]
    return _plain(others[0]) if others else hint


def _kind(plain: type) -> str:
    return "str" if issubclass(plain, StrEnum) else plain.__name__


def _limits(hint: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    plain = _plain(hint)
    if isinstance(plain, type) and issubclass(plain, StrEnum):
        yield f"one of {', '.join(plain)}"
    for meta in _metas(hint):
        if meta.title:
            yield meta.title
            continue
        words = {"ge": "from", "gt": "above", "le": "to", "min_length": "at least", "pattern": "as"}
        yield from (
            f"{word} {getattr(meta, name)}"
            for name, word in words.items()
            if getattr(meta, name) is not None
        )


def _metas(hint: Any) -> Iterator[Meta]:  # noqa: ANN401 - as above
    if get_origin(hint) is Annotated:
        yield from (m for m in hint.__metadata__ if isinstance(m, Meta))
        yield from _metas(get_args(hint)[0])
    elif get_origin(hint) is not tuple:
        for arg in get_args(hint):
            yield from _metas(arg)
