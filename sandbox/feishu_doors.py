"""The Feishu group to post to and to look at.

- ``POST /feishu/hook`` is the bot; ``/control/faults`` spoils its answers (provider ``feishu``,
  operation ``hook``: ``error_500``, ``rate_limited``, ``malformed``, ``hang_before``,
  ``timeout_after``).
- ``GET /feishu`` shows the newest messages, ``GET /control/feishu`` tells the same, newest first.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from sandbox.feishu import Feishu
from sandbox.feishu_store import Post
from sandbox.silence import still_there_after

AnyRequest = Request[Any, Any, Any]

_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Feishu</title>
<style>body{font:16px/1.5 system-ui;margin:2rem}article{margin:1rem 0}
pre{font:inherit;white-space:pre-wrap;max-width:50rem;margin:0}</style><h1>Feishu</h1>
<p>News for our own people ends here. <a href="/feishu">Look again</a> <a href="/">Trades</a></p>
"""


def routes(feishu: Feishu) -> Sequence[HTTPRouteHandler]:
    """Answer at /feishu."""

    @post("/feishu/hook", status_code=200)
    async def take_message(request: AnyRequest) -> Response[Any]:
        fault = feishu.fault()
        mode = None if fault is None else fault.mode
        if mode == "error_500":
            return Response({"code": 1, "msg": "internal error"}, status_code=500)
        if mode == "malformed":
            return Response("<html>not now</html>", media_type="text/html")
        if (refusal := feishu.refusal(fault)) is not None:
            return Response(refusal)
        body = await request.body()
        if fault is not None and mode == "hang_before":
            if not await still_there_after(request, fault.hang_seconds):
                return Response(None, status_code=503)
            return Response(feishu.take(body))
        answer = feishu.take(body)
        if fault is not None and mode == "timeout_after":
            await still_there_after(request, fault.hang_seconds)
        return Response(answer)

    @get("/feishu", media_type="text/html")
    async def show_messages() -> str:
        return f"{_HEAD}{''.join(map(_shown, feishu.posts()))}</html>"

    @get("/control/feishu")
    async def tell_messages() -> dict[str, Any]:
        return {"items": [_told(message) for message in feishu.posts()]}

    return [take_message, show_messages, tell_messages]


def _shown(message: Post) -> str:
    lines = escape("\n".join(message.lines))
    return (
        f"<article><b>{escape(message.title)}</b> {message.received_at}"
        f"\n<pre>{lines}</pre></article>\n"
    )


def _told(message: Post) -> dict[str, Any]:
    return {
        "id": message.id,
        "title": message.title,
        "lines": message.lines,
        "receivedAt": message.received_at,
    }
