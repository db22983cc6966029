"""The page that a payer of a checkout session is sent to, and sent back from.

Source: Stripe, "Checkout Sessions"; "Customize redirect behavior", read 2026-11.
"""

from html import escape

from sandbox.records import Trade
from sandbox.stripe import words

_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Checkout</title>
<style>body{font:16px/1.5 system-ui;margin:2rem}</style><h1>Checkout</h1>
<p>A sandbox: no real money moves here.</p>
"""


def checkout_page(trade: Trade, *, declined: bool = False) -> str:
    """Return the page; only what is open has a form."""
    detail = words.detail_of(trade)
    wanted = detail.session
    assert wanted is not None, "a session was asked for"
    price = f"{trade.amount_minor / 100:.2f} {trade.currency}"
    name = escape(wanted.line_items[0].price_data.product_data.name)
    if trade.status == words.CANCELED:
        return f"{_HEAD}<p>This checkout session has expired.</p></html>"
    if trade.status != words.WAITING:
        return f'{_HEAD}<p>Paid. <a href="{escape(success_url(trade))}">Go on</a></p></html>'
    again = "<p>Your card was declined.</p>" if declined else ""
    back = wanted.cancel_url
    leave = f'<p><a href="{escape(_filled(back, trade))}">Back</a></p>' if back else ""
    return (
        f"{_HEAD}<p>{name}: {escape(price)}</p>{again}"
        f'<form method="post" action="/stripe/checkout/{words.session_id(trade)}">'
        '<label>Card <input name="card" value="4242 4242 4242 4242"></label>'
        f"<button>Pay</button></form>{leave}</html>"
    )


def success_url(trade: Trade) -> str:
    """Return where a payer goes who has paid."""
    wanted = words.detail_of(trade).session
    assert wanted is not None, "a session was asked for"
    return _filled(wanted.success_url, trade)


def _filled(url: str, trade: Trade) -> str:
    return url.replace("{CHECKOUT_SESSION_ID}", words.session_id(trade))
