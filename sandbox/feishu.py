"""A Feishu group whose custom bot takes messages and shows them to nobody outside.

The bot answers 200 with a ``code`` and ``msg``: 0 is taken, 9499 a message it does not understand,
11232 too many in a minute (Feishu, "Use bots in groups", read 2026-11).
"""

import time
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from sandbox.faults import Fault, Faults
from sandbox.feishu_store import FeishuStore, Post

_TAKEN: dict[str, Any] = {"code": 0, "msg": "success", "data": {}}
_BAD: dict[str, Any] = {"code": 9499, "msg": "Bad Request", "data": {}}
_LIMITED: dict[str, Any] = {"code": 11232, "msg": "frequency limited psm", "data": {}}


class _Text(msgspec.Struct):
    tag: Literal["text"]
    text: str


class _Page(msgspec.Struct):
    content: list[list[_Text]]
    title: str = ""


class _Pages(msgspec.Struct):
    zh_cn: _Page


class _Content(msgspec.Struct):
    post: _Pages


class _Message(msgspec.Struct):
    msg_type: Literal["post"]
    content: _Content


class Feishu:
    """Takes every message it understands and keeps the newest."""

    name = "feishu"
    operations = frozenset({"hook"})

    def __init__(self, store: FeishuStore, *, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def close(self) -> None:
        """Give the file back."""
        self._store.close()

    def fault(self) -> Fault | None:
        """Take what is to go wrong with the next message, if something is."""
        return self._faults.take(self.name, "hook")

    def refusal(self, fault: Fault | None) -> dict[str, Any] | None:
        """Say in the bot's words that a message is too many; None when it is not."""
        return _LIMITED if fault is not None and fault.mode == "rate_limited" else None

    def take(self, body: bytes) -> dict[str, Any]:
        """Keep one message and say so in the bot's words."""
        try:
            page = msgspec.json.decode(body, type=_Message).content.post.zh_cn
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _BAD
        lines = ["".join(part.text for part in line) for line in page.content]
        self._store.add(title=page.title, lines=lines, received_at_ms=round(time.time() * 1000))
        return _TAKEN

    def posts(self) -> Sequence[Post]:
        """List the messages, newest first."""
        return self._store.posts()
