"""News of sales for our own people, posted to a Feishu group by its custom bot.

The bot knows no repetition: what was posted and not noted as done is posted again. Every message
ends with the id of its duty, so that readers can tell (Feishu, "Use bots in groups", read 2026-11).
"""

import asyncio
from typing import Any, Self

import httpx
import msgspec
import structlog

from contracts.effects import COUPON_TAKEN
from jobs.sale_lines import News, coupon_taken, sale_news
from models.engine import Database
from models.sale_news import Totals, count_people, sale_story
from models.sweeps import DueEffect

_CALL_SECONDS = 5.0
_CONNECT_SECONDS = 3.0
# The bot takes five a second.
_AT_ONCE = 4
# Letters are claimed beside the news: they must not wait for a bot that is away.
_AWAY_SECONDS = 10.0
_ANSWER_MAX_BYTES = 64 * 1024
_COUNTS_SECONDS = 60.0

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments.jobs")


class NotPosted(Exception):
    """The bot did not take it; *code* is its word, or what kept us from it. No address is told."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Answer(msgspec.Struct):
    # Older bots say StatusCode instead.
    code: int | None = None
    status_code: int | None = msgspec.field(name="StatusCode", default=None)


class Bot:
    """Posts messages at one address, which is a secret: whoever knows it may post."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._away_until = 0.0
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(_CALL_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=_AT_ONCE),
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def post(self, news: News) -> None:
        """Post one message; a repetition is a second message.

        :raises NotPosted: not posted as far as we know; try again later.
        """
        loop = asyncio.get_running_loop()
        async with self._gate:
            if loop.time() < self._away_until:
                raise NotPosted("away")
            try:
                async with asyncio.timeout(_CALL_SECONDS):
                    answer = await self._http.send(self._request(news), stream=True)
                    try:
                        code = _code_of(answer.status_code, await _beginning(answer))
                    finally:
                        await answer.aclose()
            except (httpx.HTTPError, TimeoutError, OSError) as error:
                self._away_until = loop.time() + _AWAY_SECONDS
                # Its words may repeat the address, so they end here.
                raise NotPosted(type(error).__name__) from None
        if code is not None:
            raise NotPosted(code)

    def _request(self, news: News) -> httpx.Request:
        return self._http.build_request(
            "POST",
            self._url,
            content=msgspec.json.encode(message(news)),
            headers={"Content-Type": "application/json; charset=utf-8"},
        )


class FeishuDelivery:
    """Tells our own people of sales and of coupons."""

    def __init__(self, *, database: Database, bot: Bot) -> None:
        self._database = database
        self._bot = bot
        self._totals: Totals | None = None
        self._count_at = 0.0

    async def deliver(self, effect: DueEffect) -> None:
        """Tell what is true now.

        :raises NotPosted: not told yet; try again later.
        """
        news = await self._news(effect)
        if news is None:
            log.info("feishu.skipped", effect_id=effect.effect_id, reason="outdated")
            return
        lines = (*news.lines, f"通知：{effect.effect_id}")
        try:
            await self._bot.post(News(title=news.title, lines=lines))
        except NotPosted as refused:
            log.warning("feishu.failed", effect_id=effect.effect_id, code=refused.code)
            raise
        log.info("feishu.posted", effect_id=effect.effect_id)

    async def _news(self, effect: DueEffect) -> News | None:
        story = await sale_story(self._database, effect.holder_id)
        if story is None:
            return None
        if effect.cause.startswith(f"{COUPON_TAKEN}:"):
            return coupon_taken(story)
        return sale_news(story, await self._people())

    async def _people(self) -> Totals:
        """Count people once in a while: it reads all of them, and news come by the hundred."""
        now = asyncio.get_running_loop().time()
        if self._totals is None or now >= self._count_at:
            self._count_at = now + _COUNTS_SECONDS
            self._totals = await count_people(self._database)
        return self._totals


def message(news: News) -> dict[str, Any]:
    """Put news into the form of the bot: one paragraph per line."""
    content = [[{"tag": "text", "text": line}] for line in news.lines]
    post = {"zh_cn": {"title": news.title, "content": content}}
    return {"msg_type": "post", "content": {"post": post}}


async def _beginning(answer: httpx.Response) -> bytes:
    body = b""
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > _ANSWER_MAX_BYTES:
            break
    return body


def _code_of(status: int, body: bytes) -> str | None:
    """Name why a message was not taken; None when it was."""
    if status // 100 != 2:  # noqa: PLR2004 - the class of success
        return f"http_{status}"
    try:
        told = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "unreadable"
    code = told.status_code if told.code is None else told.code
    if code is None:
        return "unreadable"
    return None if code == 0 else str(code)
