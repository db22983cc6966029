"""Where letters lead: pages of the frontend."""

from urllib.parse import quote

import msgspec

from actors.gift_codes import gift_code


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """The frontend's address, and the key by which gift codes are recomputed."""

    app_url: str
    gift_code_key: bytes

    def ticket(self, event_id: int, registration_id: int) -> str:
        """Lead to the page that shows a ticket to its holder."""
        return f"{self.app_url}/events/{event_id}/tickets/{registration_id}"

    def gift(self, event_id: int, order_no: str, position: int, generation: int) -> str:
        """Lead to the page on which whoever has the link takes a gift seat."""
        code = gift_code(self.gift_code_key, order_no, position, generation)
        return f"{self.app_url}/events/{event_id}/register?gift={quote(code, safe='')}"
