"""Every door of the service, a victim behind it and attackers before it."""

import contextlib
import re
import socket

import httpx
import msgspec

from tests.api.service import ORDERS, Buyer, Service

WEBHOOK = "/api/webhooks/wechatpay"
EVENTS = "/payments/webhook"
STRIPE_EVENTS = "/api/order/stripe/webhook"
PINGXX_EVENTS = "/api/callback/pingxx-callback"
ALIPAY_NOTICES = "/api/callback/alipay-notify"
# A body that is taken elsewhere may be too large here.
NOTICES = (WEBHOOK, EVENTS, STRIPE_EVENTS, PINGXX_EVENTS, ALIPAY_NOTICES)
PAYMENTS = "/api/payments/wechat"
INTENTS = "/payments"
BRIDGE = "/api/admin/bridge"
REFUND = "/api/events/{event_id}/orders/{order}/refund"
MARK_PAID = "/api/events/{event_id}/orders/{order}/mark-paid"
LOGIN = "/api/auth/sandbox-login"
_GIFTS = "/api/events/{event_id}/orders/{order}/invites"
KEY = "the victim's key"
COUPON = "/api/events/{event_id}/orders/{order}/coupon"
COUPONS = "/api/events/{event_id}/coupons"
COUPONS_FOR_ALL = "/api/coupons"
COURSE = "/api/order"


class _Ones(dict[str, object]):
    def __missing__(self, _name: str) -> object:
        return 1


class Door(msgspec.Struct, frozen=True):
    """One operation; names in braces stand for references in its path.

    One that *is_managed* is for who manages the event, and shows them what is not their own.
    *words* are a body it would take, were the references any good. One that *shows_admins* shows
    them every order.
    """

    method: str
    path: str
    signed_in: bool = False
    reads_body: bool = False
    described: bool = True
    role: str | None = None
    words: str = '{"ticketTypeId": 3}'
    is_managed: bool = False
    query: str = ""
    shows_admins: bool = False

    def __str__(self) -> str:
        """Name it in a test's id."""
        return f"{self.method} {self.path}"

    def to(self, *, event: object = 1, order: object = 1, kind: object = 1) -> str:
        """Fill the path in."""
        known = _Ones(event_id=event, order=order, ticket_type_id=kind, registration_id=order)
        path = self.path.format_map(known)
        return f"{path}?{self.query}" if self.query else path


_TYPES = "/api/events/{event_id}/ticket-types"
_CATALOGUE = (
    Door("GET", "/api/organizer/events", signed_in=True, is_managed=True),
    Door("POST", "/api/events", signed_in=True, reads_body=True, is_managed=True),
    Door("PUT", "/api/events/{event_id}", signed_in=True, reads_body=True, is_managed=True),
    Door("POST", _TYPES, signed_in=True, reads_body=True, is_managed=True),
    Door("PUT", f"{_TYPES}/{{ticket_type_id}}", signed_in=True, reads_body=True, is_managed=True),
    Door("DELETE", f"{_TYPES}/{{ticket_type_id}}", signed_in=True, is_managed=True),
    Door("GET", "/api/events/{event_id}/registrations", signed_in=True, is_managed=True),
    Door(
        "GET",
        "/api/events/{event_id}/export.csv",
        query="kind=orders",
        signed_in=True,
        is_managed=True,
    ),
)
DOORS = (
    Door("GET", "/health/live"),
    Door("GET", "/health/ready"),
    Door("GET", "/metrics", described=False),
    Door("GET", "/schema", described=False),
    Door("GET", "/schema/openapi.json", described=False),
    Door("GET", "/api/config"),
    Door("GET", "/api/events"),
    Door("GET", "/api/events/{event_id}"),
    Door("POST", WEBHOOK),
    Door("POST", EVENTS, reads_body=True),
    Door("POST", STRIPE_EVENTS),
    Door("POST", PINGXX_EVENTS),
    Door("POST", ALIPAY_NOTICES),
    Door("POST", LOGIN, reads_body=True),
    Door("POST", "/api/events/{event_id}/orders", signed_in=True, reads_body=True),
    Door("GET", "/api/events/{event_id}/orders", signed_in=True),
    Door("GET", "/api/events/{event_id}/orders/pending", signed_in=True),
    Door("GET", "/api/events/{event_id}/orders/{order}", signed_in=True),
    Door("POST", "/api/events/{event_id}/orders/{order}/cancel", signed_in=True),
    Door("POST", "/api/events/{event_id}/orders/{order}/query", signed_in=True),
    Door("POST", f"{PAYMENTS}/prepare", signed_in=True, reads_body=True),
    Door("POST", f"{PAYMENTS}/bridge-report", signed_in=True, reads_body=True),
    Door("POST", f"{PAYMENTS}/bridge-ticket", signed_in=True, reads_body=True),
    Door("POST", f"{PAYMENTS}/bridge-redeem", reads_body=True),
    Door("POST", f"{PAYMENTS}/mini-bind-token", signed_in=True),
    Door("POST", f"{PAYMENTS}/bind-mini-openid", signed_in=True, reads_body=True),
    Door("POST", f"{PAYMENTS}/bind-mini-openid-with-token", reads_body=True),
    Door("POST", f"{PAYMENTS}/h5-bind-state", signed_in=True),
    Door("POST", f"{PAYMENTS}/bind-openid", signed_in=True, reads_body=True),
    Door("GET", BRIDGE, signed_in=True, role="admin"),
    Door("PUT", BRIDGE, signed_in=True, reads_body=True, role="admin"),
    Door("POST", REFUND, signed_in=True, reads_body=True, is_managed=True),
    Door("POST", MARK_PAID, signed_in=True, reads_body=True, is_managed=True),
    Door("GET", _GIFTS, signed_in=True),
    Door("POST", f"{_GIFTS}/{{invite}}/reissue", signed_in=True),
    Door(
        "POST",
        "/api/events/{event_id}/orders/invites/{code}/redeem",
        signed_in=True,
        reads_body=True,
        words="{}",
    ),
    Door("POST", "/api/events/{event_id}/register", signed_in=True, reads_body=True),
    Door("DELETE", "/api/events/{event_id}/register", signed_in=True),
    Door("POST", "/api/registrations/{registration}/approve", signed_in=True),
    Door("POST", "/api/registrations/{registration}/reject", signed_in=True),
    *_CATALOGUE,
    Door("POST", f"{INTENTS}/create_intent", signed_in=True, reads_body=True),
    Door("POST", f"{INTENTS}/confirm", signed_in=True, reads_body=True),
    Door("POST", f"{INTENTS}/refund", signed_in=True, reads_body=True),
    Door("POST", f"{INTENTS}/refund/retry", signed_in=True, reads_body=True),
    Door("GET", "/orders/{order}/payments", signed_in=True, shows_admins=True),
    Door("POST", COUPON, signed_in=True, reads_body=True, words='{"couponCode": "NONE"}'),
    Door("POST", COUPONS, signed_in=True, reads_body=True, is_managed=True),
    Door("GET", COUPONS, signed_in=True, is_managed=True),
    Door("PUT", f"{COUPONS}/{{coupon_id}}", signed_in=True, reads_body=True, is_managed=True),
    Door("POST", COUPONS_FOR_ALL, signed_in=True, reads_body=True, role="admin"),
    Door("GET", COUPONS_FOR_ALL, signed_in=True, role="admin"),
    Door("PUT", f"{COUPONS_FOR_ALL}/{{coupon_id}}", signed_in=True, reads_body=True, role="admin"),
    *(
        Door("POST", f"{COURSE}/{name}", signed_in=True, reads_body=True)
        for name in (
            "init-order",
            "reqiure-to-pay",
            "require-to-pay",
            "query-order",
            "apply-discount",
            "payment-detail",
            "stripe/sync",
        )
    ),
    Door("GET", "/api/registrations/{registration_id}/ticket", signed_in=True),
    Door("GET", "/api/registrations/{registration_id}/ticket.svg", signed_in=True),
    Door(
        "POST",
        "/api/events/{event_id}/check-in",
        signed_in=True,
        reads_body=True,
        words='{"ticketCode": "T"}',
    ),
    Door("GET", "/api/me", signed_in=True),
    Door("PUT", "/api/me", signed_in=True, reads_body=True),
)
SIGNED_IN = tuple(door for door in DOORS if door.signed_in)
OF_ONE_ORDER = tuple(door for door in DOORS if "{order}" in door.path and not door.is_managed)
OF_ONE_EVENT = tuple(door for door in DOORS if "{event_id}" in door.path)
OF_MANAGERS = tuple(door for door in DOORS if door.is_managed)
OF_A_MANAGED_ORDER = tuple(door for door in OF_MANAGERS if "{order}" in door.path)
OF_ONE_ROLE = tuple(door for door in DOORS if door.role)
WITH_BODY = tuple(door for door in DOORS if door.method != "GET")


class Stand:
    """The victim has an order that waits to be paid; everybody else wants something of it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.victim = Buyer(service)
        self.order = self.victim.order(quantity=2, prepare=True, key=KEY).json()
        # Genuine notices of something else leave their mark on an attempt: not on the victim's.
        self.payer = Buyer(service)
        self.unpaid = self.payer.order(quantity=2, prepare=True).json()
        self.attackers = [Buyer(service, role) for role in ("buyer", "organizer", "admin")]
        self.attacker, self.organizer, self.admin = self.attackers
        self.http = service.client()

    def close(self) -> None:
        """Let go of every connection."""
        for buyer in (self.victim, self.payer, *self.attackers):
            buyer.http.close()
        self.http.close()

    def post_order(self, content: bytes, **headers: str) -> httpx.Response:
        """Send raw bytes to the door that makes orders."""
        return self.attacker.http.post(ORDERS, content=content, headers=headers)

    def raw(self, sent: bytes, *, patience_seconds: float = 10) -> bytes:
        """Send raw bytes to the port and return what comes back until it hangs up or is silent."""
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=10) as line:
            received = []
            with contextlib.suppress(ConnectionError, TimeoutError):
                line.sendall(sent)
                line.settimeout(patience_seconds)
                while part := line.recv(65536):
                    received.append(part)
            return b"".join(received)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Read status and code of a refusal, and assert that it has the one shape of refusals."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= body.keys()
    assert body["status"] == answer.status_code
    assert re.fullmatch(r"[A-Z_]+", body["code"])
    return answer.status_code, body["code"]


INVALID = (400, "INVALID_REQUEST")
ABSENT = (404, "NOT_FOUND")
UNKNOWN = (401, "UNAUTHENTICATED")
TOO_LARGE = (413, "BODY_TOO_LARGE")
ENCODED = (415, "UNSUPPORTED_MEDIA_TYPE")
