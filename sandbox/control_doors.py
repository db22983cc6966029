"""The control API: a test or a developer plays the buyer, the provider and the bad day.

Everything is JSON and loopback only; unknown fields are refused with 400, unknown numbers with
404, what the state forbids with 409. ``delay_ms`` is never scaled.

- ``GET /control/trades?order_no=`` lists the trades of one order, oldest first; without it the
  last hundred. An order number is the first 16 characters of a trade number.
- ``POST /control/trades/{out_trade_no}/{pay|fail|close}`` with ``{delay_ms?, duplicate?, drop?,
  wrong_amount?, forged?}`` or nothing. Paying a paid trade sends its notice again, same id.
- ``POST /control/trades/{out_trade_no}/console-refund {amount, signed?, days_ago?}`` refunds past
  the merchant; *signed* has it told like a refund of the merchant's own, *days_ago* (0 to 90)
  dates it back, so that a past day's bill has it.
- ``POST /control/refunds/{out_refund_no}/{success|close|abnormal}`` ends a refund.
- ``POST /control/faults {provider, operation, mode, count?, delay_ms?, out_trade_no?}`` spoils the
  next calls, those about one trade if *out_trade_no* says which; ``GET`` lists what is waiting,
  ``DELETE`` forgets it. Modes: see ``sandbox.faults``.
- ``POST /control/notices {out_trade_no, kind, overrides}`` sends one crafted notice now and
  returns what the merchant answered. ``GET /control/notices?out_trade_no=`` tells what was sent
  and what will be sent again. Overrides: see the provider's ``crafted`` module.
- ``POST /control/keys/{provider}/rotate`` has a provider sign with a new key and answers what its
  merchant needs to believe it; the key before stays good for crafted notices (``"key": "old"``).
- ``GET /control/calls?out_trade_no=`` counts the provider calls by operation.
- ``POST /control/wechat/login-codes {appid, openid}`` plays ``wx.login`` and answers ``{code}``.
"""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, Router, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from sandbox.control import Control, Refused
from sandbox.page import page
from sandbox.provider import Conflict, RefundOutcome
from sandbox.records import Trade

AnyRequest = Request[Any, Any, Any]


def routes(control: Control) -> Sequence[Router | HTTPRouteHandler]:
    """Answer below /control, and the page for people at /."""

    @get("/", media_type="text/html")
    async def show_page() -> str:
        return page(control.trades(None))

    doors = [*_of_the_buyer(control), *_of_the_bad_day(control), *_of_the_watcher(control)]
    return [Router("/control", route_handlers=doors), show_page]


def refused(_request: AnyRequest, error: Exception) -> Response[Any]:
    """Turn what the control API refuses into its answer."""
    if isinstance(error, Refused):
        return Response(error.body, status_code=error.status)
    status, code = (409, "CONFLICT") if isinstance(error, Conflict) else (400, "INVALID_REQUEST")
    return Response({"status": status, "code": code, "message": str(error)}, status_code=status)


def _of_the_buyer(control: Control) -> list[HTTPRouteHandler]:
    @get("/trades")
    async def list_trades(order_no: str | None = None) -> dict[str, Any]:
        return {"trades": [_listed(trade) for trade in control.trades(order_no)]}

    @post("/trades/{out_trade_no:str}/{action:str}", status_code=200)
    async def act(request: AnyRequest, out_trade_no: str, action: str) -> Response[Any]:
        # The page's form has no body.
        status = control.act(out_trade_no, action, await request.body() or b"{}")
        if "text/html" in request.headers.get("Accept", ""):
            return Redirect("/", status_code=303)
        return Response({"status": status}, status_code=200)

    @post("/trades/{out_trade_no:str}/console-refund", status_code=200)
    async def console_refund(request: AnyRequest, out_trade_no: str) -> dict[str, Any]:
        refund = control.console_refund(out_trade_no, await request.body())
        return {"out_refund_no": refund.out_refund_no, "status": refund.status}

    @post("/refunds/{out_refund_no:str}/{outcome:str}", status_code=200)
    async def settle_refund(out_refund_no: str, outcome: RefundOutcome) -> dict[str, Any]:
        return {"status": control.settle_refund(out_refund_no, outcome)}

    @post("/wechat/login-codes", status_code=200)
    async def log_in(request: AnyRequest) -> dict[str, Any]:
        return {"code": control.login_code(await request.body())}

    return [list_trades, act, console_refund, settle_refund, log_in]


def _of_the_bad_day(control: Control) -> list[HTTPRouteHandler]:
    @get("/faults")
    async def list_faults() -> dict[str, Any]:
        return {"faults": control.faults()}

    @post("/faults", status_code=204)
    async def add_fault(request: AnyRequest) -> None:
        control.add_fault(await request.body())

    @delete("/faults")
    async def clear_faults() -> None:
        control.clear_faults()

    @post("/notices", status_code=200)
    async def send_notice(request: AnyRequest) -> dict[str, Any]:
        return await control.send_crafted(await request.body())

    @post("/keys/{provider:str}/rotate", status_code=200)
    async def rotate_keys(provider: str) -> dict[str, str]:
        return control.rotate_keys(provider)

    return [list_faults, add_fault, clear_faults, send_notice, rotate_keys]


def _of_the_watcher(control: Control) -> list[HTTPRouteHandler]:
    @get("/notices")
    async def list_notices(out_trade_no: str) -> dict[str, Any]:
        return control.notices(out_trade_no)

    @get("/calls")
    async def list_calls(out_trade_no: str) -> dict[str, Any]:
        return {"calls": control.calls(out_trade_no)}

    return [list_notices, list_calls]


def _listed(trade: Trade) -> dict[str, Any]:
    return {
        "out_trade_no": trade.out_trade_no,
        "provider": trade.provider,
        "channel": trade.channel,
        "amount": trade.amount_minor,
        "currency": trade.currency,
        "status": trade.status,
    }
