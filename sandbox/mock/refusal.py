"""How the mock provider says no: a status, a code, a message nobody should decide on."""


class Refusal(Exception):
    """A definite no; nothing moved."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"code": code, "message": message}


def not_found() -> Refusal:
    """Know nothing of a number."""
    return Refusal(404, "NOT_FOUND", "nobody asked for this number")


def number_used() -> Refusal:
    """Refuse a known number with other words."""
    return Refusal(409, "NUMBER_USED", "the number was used with other words")
