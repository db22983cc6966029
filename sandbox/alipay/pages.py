"""The cashier, where a payer pays by a button and is sent back to the merchant."""

from html import escape

from sandbox.alipay import words
from sandbox.records import Trade

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Alipay sandbox</title>
<style>body{{font:16px/1.5 system-ui;margin:2rem;max-width:30rem}}form{{display:inline}}</style>
<h1>Alipay sandbox</h1><p>No real money moves here.</p>{body}</html>
"""


def cashier(trade: Trade) -> str:
    """Show what is to be paid, and the two ways to leave."""
    detail = words.trade_detail(trade)
    rows = (
        f"<p>{escape(detail.subject)}<br><b>{words.yuan(trade.amount_minor)} CNY</b>"
        f"<br>{escape(trade.out_trade_no)}: {escape(trade.status)}</p>"
    )
    if trade.status != words.WAITING:
        return _PAGE.format(body=rows)
    path = f"/alipay/cashier/{escape(detail.token)}"
    leave = "" if detail.quit_url is None else f' <a href="{escape(detail.quit_url)}">Leave</a>'
    button = f'<form method="post" action="{path}/pay"><button>Pay</button></form>{leave}'
    return _PAGE.format(body=rows + button)


def refused(sub_code: str, message: str) -> str:
    """Say why there is nothing to pay."""
    return _PAGE.format(body=f"<p>{escape(sub_code)}: {escape(message)}</p>")
