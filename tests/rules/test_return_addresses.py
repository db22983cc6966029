"""Where a payer comes back to, and how the page there learns of the order."""

import pytest

from actors.return_addresses import with_order

NO = "GABCDEFGHIJKLMNO"
SESSION = "session_id={CHECKOUT_SESSION_ID}"


class TestAnAddress:
    @pytest.mark.parametrize(
        ("url", "named"),
        [
            ("https://a/paid", f"https://a/paid?order_id={NO}"),
            (f"https://a/paid?{SESSION}", f"https://a/paid?{SESSION}&order_id={NO}"),
            (f"https://a/paid?{SESSION}#top", f"https://a/paid?{SESSION}&order_id={NO}#top"),
            ("https://a/#top?x=1", f"https://a/?order_id={NO}#top?x=1"),
            ("https://a/#top?order_id=1", f"https://a/?order_id={NO}#top?order_id=1"),
        ],
    )
    def test_names_the_order_before_its_fragment(self, url: str, named: str) -> None:
        assert with_order(url, NO) == named

    @pytest.mark.parametrize(
        ("url", "named"),
        [
            ("https://a/#/paid", f"https://a/#/paid?order_id={NO}"),
            ("https://a/#!/paid", f"https://a/#!/paid?order_id={NO}"),
            (f"https://a/#/paid?{SESSION}", f"https://a/#/paid?{SESSION}&order_id={NO}"),
            (f"https://a/?{SESSION}#/paid", f"https://a/?{SESSION}#/paid?order_id={NO}"),
            (f"https://a/?x=1#/?{SESSION}", f"https://a/?x=1#/?{SESSION}&order_id={NO}"),
        ],
    )
    def test_names_the_order_in_the_route_of_its_fragment(self, url: str, named: str) -> None:
        assert with_order(url, NO) == named

    @pytest.mark.parametrize(
        "url",
        [
            "https://a/paid?order_id=1",
            "https://a/paid?x&order_id=1#top",
            "https://a/?order_id=1#/paid",
            f"https://a/#/paid?{SESSION}&order_id=1",
        ],
    )
    def test_that_names_an_order_stays_as_it_is(self, url: str) -> None:
        assert with_order(url, NO) == url

    def test_that_is_none_stays_none(self) -> None:
        assert with_order(None, NO) is None
