"""How these servers say no: status 200, a number, a text that nobody should decide on.

Source: WeChat, global return codes, read 2026-11.
"""

import secrets


class Refusal(Exception):
    """A definite no."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errmsg)
        self.errcode = errcode
        self.errmsg = errmsg

    def body(self) -> dict[str, object]:
        """Return the JSON object of the answer."""
        return {"errcode": self.errcode, "errmsg": f"{self.errmsg}, rid: {secrets.token_hex(12)}"}
