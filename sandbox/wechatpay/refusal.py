"""How WeChat Pay says no: a status, a code, a message nobody should decide on, sometimes where.

Source: WeChat Pay v3, error codes of Native order, query, close and refund, read 2026-11.
"""

from collections.abc import Mapping


class Refusal(Exception):
    """A definite no. The answer carries no signature."""

    def __init__(
        self, status: int, code: str, message: str, detail: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail

    def body(self) -> dict[str, object]:
        """Return the JSON object of the answer."""
        body: dict[str, object] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            body["detail"] = dict(self.detail)
        return body


def bad_parameter(pointer: str, issue: str, value: object = None) -> Refusal:
    """Refuse one field of the body; *pointer* is a JSON Pointer."""
    detail = {"location": "body", "field": pointer, "issue": issue, "value": value}
    return Refusal(400, "PARAM_ERROR", "参数错误", detail)


def bad_query(name: str, issue: str) -> Refusal:
    """Refuse one name of the query string."""
    detail = {"location": "query", "field": name, "issue": issue}
    return Refusal(400, "PARAM_ERROR", "参数错误", detail)


def unlawful(message: str) -> Refusal:
    """Refuse what a business rule forbids."""
    return Refusal(400, "INVALID_REQUEST", message)


def bad_signature(field: str, issue: str) -> Refusal:
    """Refuse a caller who could not prove who they are."""
    detail = {"location": "authorization", "field": field, "issue": issue}
    return Refusal(401, "SIGN_ERROR", "签名错误", detail)
