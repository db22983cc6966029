"""How Alipay says no: a gateway code, a finer one, and messages nobody should decide on."""

from typing import Final

BUSINESS: Final = "40004"
_MESSAGES: Final = {
    "20000": "Service Currently Unavailable",
    "40001": "Missing Required Arguments",
    "40002": "Invalid Arguments",
    BUSINESS: "Business Failed",
    "40005": "Call Limited",
    "40006": "Insufficient Permissions",
}


class Refusal(Exception):
    """A definite no; *is_signed* is whether its answer proves who sent it."""

    def __init__(self, code: str, sub_code: str, message: str, *, is_signed: bool = True) -> None:
        super().__init__(sub_code)
        self.is_signed = is_signed
        self.body = {
            "code": code,
            "msg": _MESSAGES[code],
            "sub_code": sub_code,
            "sub_msg": message,
        }


def business(sub_code: str, message: str) -> Refusal:
    """Refuse for what the trade or the refund is."""
    return Refusal(BUSINESS, f"ACQ.{sub_code}", message)


def not_exist() -> Refusal:
    """Know nothing of a trade: nobody has scanned its code or opened its page."""
    return business("TRADE_NOT_EXIST", "交易不存在")


def bad_parameter(message: str) -> Refusal:
    """Refuse what a parameter says."""
    return business("INVALID_PARAMETER", f"参数无效: {message}")
