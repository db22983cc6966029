"""Signatures of events against published vectors, and everything that is none."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from providers.provider import NoticeRefused, RefusalReason
from providers.webhook_signature import TOLERANCE_SECONDS, keys_of, sign, verify

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
OTHER = "another secret, without a prefix"
BODY = b'{"event_id":"evt_1"}'
# Standard Webhooks, "Signature scheme", and Svix, "Verifying webhooks manually", read 2026-11.
PUBLISHED = [
    (
        "whsec_plJ3nmyCDGBKInavdOK15jsl",
        "msg_loFOjxBNrRLzqYUf",
        "1731705121",
        b'{"event_type":"ping","data":{"success":true}}',
        "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    ),
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
]


def reason_of(headers: dict[str, str], body: bytes = BODY, secret: str = SECRET) -> RefusalReason:
    """Say why it is refused; the reason is an enumeration's."""
    with pytest.raises(NoticeRefused) as caught:
        verify(secret, headers, body, NOW)
    return caught.value.reason


def good(secret: str = SECRET, at: datetime = NOW) -> dict[str, str]:
    return sign(secret, "evt_1", at, BODY)


class TestAPublishedVector:
    @pytest.mark.parametrize(("secret", "name", "timestamp", "body", "signature"), PUBLISHED)
    def test_verifies(
        self, secret: str, name: str, timestamp: str, body: bytes, signature: str
    ) -> None:
        headers = {
            "webhook-id": name,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature,
        }
        at = datetime.fromtimestamp(int(timestamp), UTC)

        assert verify(secret, headers, body, at) == name
        assert sign(secret, name, at, body) == headers


class TestASignature:
    def test_names_its_message(self) -> None:
        assert verify(SECRET, good(), BODY, NOW) == "evt_1"

    @pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_is_refused_without_each_of_its_headers(self, header: str) -> None:
        headers = {name: value for name, value in good().items() if name != header}

        assert reason_of(headers) is RefusalReason.MALFORMED

    @pytest.mark.parametrize(
        "changes",
        [
            {"webhook-id": "evt_2"},
            {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
            {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()},
        ],
        ids=["id", "timestamp", "signature"],
    )
    def test_covers_each_of_its_headers(self, changes: dict[str, str]) -> None:
        assert reason_of(good() | changes) is RefusalReason.BAD_SIGNATURE

    def test_covers_the_body(self) -> None:
        assert reason_of(good(), BODY + b" ") is RefusalReason.BAD_SIGNATURE

    @pytest.mark.parametrize(
        "changes",
        [
            {"webhook-id": ""},
            {"webhook-id": "evt 1"},
            {"webhook-id": "é"},
            {"webhook-id": "e" * 256},
            {"webhook-timestamp": "soon"},
            {"webhook-timestamp": "-1"},
            {"webhook-timestamp": "1.5"},
            {"webhook-timestamp": "\u0661"},
            {"webhook-timestamp": "9" * 13},
            {"webhook-signature": ""},
            {"webhook-signature": "v1"},
            {"webhook-signature": "v1,"},
            {"webhook-signature": "v1,é"},
            {"webhook-signature": "v1,AAAA"},
            {"webhook-signature": "v2," + base64.b64encode(b"x" * 32).decode()},
            {"webhook-signature": good()["webhook-signature"].removeprefix("v1,")},
            {"webhook-signature": " ".join(["v1,AAAA"] * 17)},
        ],
        ids=str,
    )
    def test_is_refused_when_malformed(self, changes: dict[str, str]) -> None:
        assert reason_of(good() | changes) is RefusalReason.MALFORMED

    def test_covers_every_bit(self) -> None:
        """No bit of the body or of what is signed with it can be another."""
        honest = good()
        for n in range(8 * len(BODY)):
            flipped = bytearray(BODY)
            flipped[n // 8] ^= 1 << n % 8
            assert reason_of(honest, bytes(flipped)) is RefusalReason.BAD_SIGNATURE
        for name, value in honest.items():
            for n in range(7 * len(value)):
                letters = bytearray(value.encode())
                letters[n // 7] ^= 1 << n % 7
                with pytest.raises(NoticeRefused):
                    verify(SECRET, honest | {name: letters.decode()}, BODY, None)

    def test_may_stand_among_others(self) -> None:
        mine = good()["webhook-signature"]
        others = "v1a,xyz v2,abc v1,AAAA " + good(OTHER)["webhook-signature"]

        for several in (f"{others} {mine}", f"{mine} {others}"):
            assert verify(SECRET, good() | {"webhook-signature": several}, BODY, NOW) == "evt_1"

    def test_may_come_under_another_name(self) -> None:
        headers = good()
        headers["x-signature"] = headers.pop("webhook-signature")

        assert verify(SECRET, headers, BODY, NOW) == "evt_1"

    def test_is_not_rescued_by_the_other_name(self) -> None:
        headers = good(OTHER) | {"x-signature": good()["webhook-signature"]}

        assert reason_of(headers) is RefusalReason.BAD_SIGNATURE

    @pytest.mark.parametrize("sign_of_time", [1, -1])
    def test_is_good_for_five_minutes_either_way(self, sign_of_time: int) -> None:
        edge = NOW + sign_of_time * timedelta(seconds=TOLERANCE_SECONDS)
        beyond = edge + sign_of_time * timedelta(seconds=1)

        assert verify(SECRET, good(at=edge), BODY, NOW) == "evt_1"
        assert reason_of(good(at=beyond)) is RefusalReason.STALE

    def test_that_is_stored_never_ages(self) -> None:
        assert verify(SECRET, good(at=NOW - timedelta(days=400)), BODY, None) == "evt_1"


class TestASecret:
    @pytest.mark.parametrize("secret", [f"{OTHER},{SECRET}", f"{SECRET} , {OTHER}"])
    @pytest.mark.parametrize("signer", [SECRET, OTHER])
    def test_is_good_beside_the_one_that_replaces_it(self, secret: str, signer: str) -> None:
        assert verify(secret, good(signer), BODY, NOW) == "evt_1"

    def test_that_was_taken_away_is_good_no_more(self) -> None:
        assert reason_of(good(OTHER)) is RefusalReason.BAD_SIGNATURE

    def test_is_base64_behind_its_prefix_and_as_it_is_without(self) -> None:
        assert keys_of(f"{SECRET},plain") == [b"k" * 24, b"plain"]

    @pytest.mark.parametrize("secret", ["", "a,", "whsec_", "whsec_*", "whsec_a"])
    def test_that_is_none_is_refused_without_showing_it(self, secret: str) -> None:
        with pytest.raises(ValueError, match=r"\AA webhook secret is (empty|no base64)\.\Z"):
            keys_of(secret)
