"""Codes of tickets: only the one that was made is believed, and only at its event."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ticket_codes import PROOF_BYTES, read_ticket_code, ticket_code
from contracts.wire.fields import ID_MAX

KEY = b"k" * 32
_IDS = st.integers(1, ID_MAX)


class TestATicketCode:
    @given(event_id=_IDS, registration_id=_IDS)
    def test_names_its_registration_at_its_event(self, event_id: int, registration_id: int) -> None:
        code = ticket_code(KEY, event_id, registration_id)

        assert read_ticket_code(KEY, event_id, code) == registration_id

    @given(_IDS, _IDS, st.integers(0), st.characters())
    def test_is_not_believed_with_one_character_changed(
        self, event_id: int, registration_id: int, position: int, other: str
    ) -> None:
        code = ticket_code(KEY, event_id, registration_id)
        at = position % len(code)
        flipped = code[:at] + other + code[at + 1 :]

        assert (read_ticket_code(KEY, event_id, flipped) is None) == (flipped != code)

    @given(event_id=_IDS, other_id=_IDS, registration_id=_IDS)
    def test_is_worth_nothing_at_another_event(
        self, event_id: int, other_id: int, registration_id: int
    ) -> None:
        code = ticket_code(KEY, event_id, registration_id)

        assert (read_ticket_code(KEY, other_id, code) is None) == (other_id != event_id)

    @given(event_id=_IDS, registration_id=_IDS)
    def test_is_worth_nothing_under_another_key(self, event_id: int, registration_id: int) -> None:
        code = ticket_code(b"o" * 32, event_id, registration_id)

        assert read_ticket_code(KEY, event_id, code) is None

    @given(st.text(max_size=60))
    def test_is_not_made_up(self, text: str) -> None:
        assert read_ticket_code(KEY, 1, text) is None

    @pytest.mark.parametrize("more", [" ", "=", "A", "\n"])
    def test_is_not_believed_with_something_beside_it(self, more: str) -> None:
        code = ticket_code(KEY, 1, 1)

        assert read_ticket_code(KEY, 1, code + more) is None
        assert read_ticket_code(KEY, 1, more + code) is None
        assert read_ticket_code(KEY, 1, code.lower()) is None

    def test_carries_128_bits_of_proof(self) -> None:
        first, second = (ticket_code(KEY, event_id, 7) for event_id in (1, 2))
        content = base64.b32decode(first[1:] + "=")

        assert PROOF_BYTES == 16
        assert len(content) == 8 + PROOF_BYTES
        assert first[:13] == second[:13]
        assert first[14:] != second[14:]
