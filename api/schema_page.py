"""The interface's description as a page: no script, nothing from elsewhere, readable offline."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
h2{font-size:1.05em;margin-top:2em;border-top:1px solid #ccc;padding-top:1em}
code{background:#f3f3f3;padding:.1em .3em}table{border-collapse:collapse}
td,th{text-align:left;padding:.15em 1.2em .15em 0;vertical-align:top}
"""
_METHODS = ("get", "post", "put", "patch", "delete")


class PlainPage(OpenAPIRenderPlugin):
    """Renders the description as one HTML page."""

    def render(
        self,
        request: Request[Any, Any, Any],  # noqa: ARG002  # the framework names it
        openapi_schema: dict[str, Any],
    ) -> bytes:
        """Write the page."""
        title = escape(str(openapi_schema["info"]["title"]))
        parts = [
            f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>",
            f"<style>{_STYLE}</style></head><body><h1>{title}</h1>",
            f"<p>{escape(str(openapi_schema['info'].get('description', '')))}</p>",
            "<p>For programs: <a href='/schema/openapi.json'>openapi.json</a></p>",
            *_operations(openapi_schema),
            "<h1>Shapes</h1>",
            *_shapes(openapi_schema),
            "</body></html>",
        ]
        return "\n".join(parts).encode()


def _operations(schema: Mapping[str, Any]) -> Iterator[str]:
    for path, item in sorted(schema["paths"].items()):
        for method in (method for method in _METHODS if method in item):
            operation = item[method]
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('description') or operation.get('summary') or '')}</p>"
            yield "<table>"
            for parameter in operation.get("parameters", ()):
                yield _row(f"{parameter['in']} {parameter['name']}", parameter["schema"])
            yield from _bodies("body", operation.get("requestBody", {}))
            for status, response in sorted(operation["responses"].items()):
                yield from _bodies(status, response) or [_row(status, {})]
            yield "</table>"


def _bodies(label: str, holder: Mapping[str, Any]) -> list[str]:
    return [_row(label, media["schema"]) for media in holder.get("content", {}).values()]


def _shapes(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, shape in sorted(schema.get("components", {}).get("schemas", {}).items()):
        yield f"<h2 id='{escape(name)}'>{escape(name)}</h2>"
        yield f"<p>{escape(shape.get('description') or '')}</p><table>"
        required = set(shape.get("required", ()))
        for member, kind in shape.get("properties", {}).items():
            yield _row(member if member in required else f"{member}?", kind)
        yield "</table>"


def _row(label: str, kind: Mapping[str, Any]) -> str:
    about = escape(str(kind.get("description", "")))
    return f"<tr><td><code>{escape(label)}</code></td><td>{_kind(kind)}</td><td>{about}</td></tr>"


def _kind(kind: Mapping[str, Any]) -> str:
    if "$ref" in kind:
        name = escape(str(kind["$ref"]).rsplit("/", 1)[-1])
        return f"<a href='#{name}'>{name}</a>"
    if alternatives := kind.get("oneOf") or kind.get("anyOf"):
        return " or ".join(_kind(alternative) for alternative in alternatives)
    if "items" in kind:
        return f"list of {_kind(kind['items'])}"
    words = kind.get("type", "")
    if isinstance(words, list):
        words = " or ".join(str(word) for word in words)
    bounds = [f"{name} {kind[name]}" for name in _BOUNDS if kind.get(name) is not None]
    return escape(", ".join([str(words), *bounds]))


_BOUNDS = ("enum", "minimum", "maximum", "minLength", "maxLength", "default")
