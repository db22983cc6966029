"""What a JSON body may look like."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bodies import decode
from contracts.errors import InvalidRequest
from contracts.wire.orders import CreateOrder

DECODER = msgspec.json.Decoder(CreateOrder)
_DEEP = b'{"answers":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def fault(body: bytes) -> dict[str, Any]:
    with pytest.raises(InvalidRequest) as caught:
        decode(DECODER, body)
    errors = caught.value.extra["errors"]
    assert isinstance(errors, list)
    return dict(errors[0])


class TestABody:
    def test_may_leave_out_what_has_a_default(self) -> None:
        read = decode(DECODER, b'{"ticketTypeId":1}')

        assert (read.quantity, read.prepare) == (1, True)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("ticketTypeId", value)
            for value in (b'"1"', b"true", b"1.0", b"1e0", b"null", b"0", b"-1", b"[1]")
        ]
        + [("ticketTypeId", str(2**53).encode()), ("ticketTypeId", b"9" * 5000)]
        + [("quantity", value) for value in (b'"2"', b"true", b"2.0", b"0", b"101", b"-1")]
        + [("prepare", value) for value in (b"1", b'"true"', b"null")],
    )
    def test_names_the_field_whose_type_is_wrong(self, field: str, value: bytes) -> None:
        members = {"ticketTypeId": b"1", field: value}
        body = b",".join(b'"%s":%s' % (name.encode(), text) for name, text in members.items())

        assert fault(b"{" + body + b"}")["field"] == field

    def test_may_not_have_members_nobody_knows(self) -> None:
        found = fault(b'{"ticketTypeId":1,"totalAmount":1}')

        assert found["field"] == "totalAmount"

    def test_is_searched_for_faults_inside_members(self) -> None:
        body = b'{"ticketTypeId":1,"clientContext":{"shellVersion":1}}'

        assert fault(body)["field"] == "clientContext.shellVersion"

    def test_says_what_is_missing(self) -> None:
        assert fault(b"{}")["field"] == "ticketTypeId"

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"nonsense", id="not JSON"),
            pytest.param(b'{"ticketTypeId":1}{}', id="two documents"),
            pytest.param(b'\xef\xbb\xbf{"ticketTypeId":1}', id="byte order mark"),
            pytest.param(b'{"ticketTypeId":1,"couponCode":"\xff"}', id="not UTF-8"),
            pytest.param(b'{"ticketTypeId":1,"couponCode":"\xed\xa0\x80"}', id="raw surrogate"),
            pytest.param(b'{"ticketTypeId":1,"couponCode":"\\ud800 and"}', id="half a pair"),
            pytest.param(b'{"ticketTypeId":1,"couponCode":"\\u0000"}', id="NUL"),
            pytest.param(b'{"ticketTypeId":1,"answers":{"\\u0000":"x"}}', id="NUL in a name"),
            pytest.param(b'{"ticketTypeId":1,"answers":{"x":["\\u0000"]}}', id="NUL in a list"),
            pytest.param(b'{"ticketTypeId":1,"ticketTypeId":2}', id="twins"),
            pytest.param(b'{"ticketTypeId":1,"answers":{"x":"1","x":"2"}}', id="inner twins"),
            pytest.param(b'{"ticketTypeId":1,"\\u0071uantity":1,"quantity":2}', id="hidden twins"),
            pytest.param(b'{"ticketTypeId":NaN}', id="NaN"),
            pytest.param(_DEEP, id="bottomless"),
        ],
    )
    def test_is_refused_when_it_could_be_read_in_two_ways_or_none(self, body: bytes) -> None:
        assert fault(body)["message"]

    @given(st.text(min_size=1, max_size=30).filter(lambda text: "\x00" not in text))
    def test_may_say_anything_else_in_any_script(self, text: str) -> None:
        body = json.dumps({"ticketTypeId": 1, "couponCode": text})

        assert decode(DECODER, body.encode()).coupon_code == text

    @given(st.binary(max_size=200))
    def test_never_fails_in_another_way(self, body: bytes) -> None:
        with pytest.raises(InvalidRequest):
            decode(DECODER, b"{" + body)
