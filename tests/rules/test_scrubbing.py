"""What must never be kept of a provider's words."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.evidence import BODY_MAX_BYTES, CUT, fitted
from contracts.scrubbing import is_secret_name, scrubbed

SECRET = "hush-4242"
NAMED = [
    "client_secret",
    "clientSecret",
    "Client-Secret",
    "credential",
    "openid",
    "open_id",
    "sub_openid",
    "payer",
    "buyer_logon_id",
    "buyer_user_id",
    "buyer_open_id",
    "card",
    "card_number",
    "number",
    "fingerprint",
    "exp_month",
    "last4",
    "billing_details",
    "shipping",
    "receipt_email",
    "sign",
    "prepay_id",
    "code_url",
    "qr_code",
]
PLAIN = st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda name: SECRET not in name)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Put a secret under one of the names, somewhere in something deep."""
    secret = st.one_of(
        st.just(SECRET),
        st.just({"deeper": [SECRET]}),
        st.just([SECRET, {"more": SECRET}]),
    )
    found: Any = {draw(st.sampled_from(NAMED)): draw(secret)}
    for _ in range(draw(st.integers(0, 40))):
        around = draw(st.sampled_from(["dict", "list", "both"]))
        found = [found] if around != "dict" else found
        if around != "list":
            found = {draw(PLAIN): draw(st.none() | st.text() | st.integers()), "x": found}
    return {"id": "pi_1", "body": found}


class TestAScrubbedBody:
    @given(bodies())
    def test_has_no_secret_at_any_depth(self, body: dict[str, Any]) -> None:
        assert SECRET in json.dumps(body)

        kept = json.dumps(scrubbed(body))

        assert SECRET not in kept
        assert '"pi_1"' in kept

    @given(st.recursive(st.none() | st.text() | st.floats() | st.binary(), st.lists))
    def test_can_be_stored(self, value: Any) -> None:  # noqa: ANN401 - anything at all
        kept = scrubbed({"a\0b": value, "text": "\ud800\0"})

        assert b"\\u0000" not in msgspec.json.encode(kept)

    @pytest.mark.parametrize("name", NAMED)
    def test_knows_a_name_however_it_is_written(self, name: str) -> None:
        assert is_secret_name(name)
        assert is_secret_name(name.upper())

    def test_keeps_what_an_audit_asks_for(self) -> None:
        body = {
            "id": "ch_1",
            "amount": 19900,
            "currency": "cny",
            "status": "succeeded",
            "receipt_url": "https://pay.example.org/receipts/1",
            "payment_method": "pm_1",
            "refunds": {"url": "/v1/charges/ch_1/refunds", "data": [{"id": "re_1"}]},
            "metadata": {"order_no": "E1"},
        }

        assert scrubbed(body) == body

    def test_has_no_page_on_which_to_pay(self) -> None:
        session = {"id": "cs_1", "url": "https://checkout.example.org/c/pay/cs_1#x"}

        assert scrubbed(session) == {"id": "cs_1", "url": "(cut)"}


class TestAFittedBody:
    def test_is_left_as_it_is_where_it_is_short_enough(self) -> None:
        assert fitted({"a": "x" * 60_000}) == {"a": "x" * 60_000}

    def test_loses_its_longest_fields_and_says_so(self) -> None:
        body = {"id": "ch_1", "log": "x" * 60_000, "note": "y" * 20_000}

        cut = fitted(body)

        assert cut == {"id": "ch_1", "note": "y" * 20_000, CUT: cut[CUT]}
        assert cut[CUT]["fields"] == ["log"]
        assert cut[CUT]["bytes"] > 80_000

    @given(st.dictionaries(st.text(max_size=400), st.integers(0, 9_000), max_size=60))
    def test_is_never_longer_than_that(self, sizes: dict[str, int]) -> None:
        cut = fitted({name: "\n" * size for name, size in sizes.items()})

        assert len(msgspec.json.encode(cut)) <= BODY_MAX_BYTES + 100
