"""The page for people: the newest trades, each with the buttons a buyer's phone would have."""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from sandbox.records import Trade

_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Payment sandbox</title>
<style>body{font:16px/1.5 system-ui;margin:2rem}td,th{padding:.3rem .8rem;text-align:left}
form{display:inline}</style><h1>Payment sandbox</h1>
<p>The newest trades. No real money moves here. <a href="/">Look again</a>
<a href="/mailbox">Mailbox</a> <a href="/feishu">Feishu</a></p>
<table><tr><th>Trade<th>Channel<th>Amount<th>Status<th>Play the buyer</tr>
"""


def page(trades: Sequence[Trade]) -> str:
    """Return the whole page; *trades* come oldest first and are shown newest first."""
    rows = "".join(_row(trade) for trade in reversed(trades))
    return f"{_HEAD}{rows}</table></html>"


def _row(trade: Trade) -> str:
    cells = (
        trade.out_trade_no,
        trade.channel,
        f"{trade.amount_minor / 100:.2f} {trade.currency}",
        trade.status,
    )
    texts = "".join(f"<td>{escape(cell)}" for cell in cells)
    buttons = "".join(_button(trade, action) for action in ("pay", "fail", "close"))
    return f"<tr>{texts}<td>{buttons}</tr>\n"


def _button(trade: Trade, action: str) -> str:
    path = f"/control/trades/{quote(trade.out_trade_no, safe='')}/{action}"
    return f'<form method="post" action="{escape(path)}"><button>{action}</button></form> '
