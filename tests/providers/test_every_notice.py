"""What every adapter must make of notices, whoever wrote them: with the campaign's pens.

No order and no network is needed: what is wrong is stopped before, or told as it is for the order
to judge. The mock's notices are no adapter's: see test_every_provider.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pytest

from actors.decide_payment import contradiction_of
from contracts.attempt import AttemptRequest
from contracts.facts import Fact, PaymentSucceeded
from contracts.money import Money
from contracts.numbers import attempt_no, new_order_no
from providers.provider import NoticeRefused, NoticeUnreadable, Provider, RefusalReason
from runtime.settings import read_settings
from runtime.tills import tills_of
from tests.hostile import entry_alipay
from tests.hostile.campaign import ENTRIES, PRICES_MINOR
from tests.hostile.entry import Entry
from tests.hostile.entry_wechat import wechat
from tests.hostile.mutants import Stage
from tests.hostile.notices import Notice, Payment, encoded
from tests.providers.merchant import Kept, an_attempt

THROWS = 60
_HOLE = "the hole"
# What takes a value's place, as JSON: of another type, of no size, not text, without an end.
_JUNK = (
    *(b"null", b"true", b"-1", b"0", b"1.5", b"1e400", b"9" * 400, b"NaN", b"[]", b"{}", b"[{}]"),
    *(b'""', b'"\\u0000"', b'"\\ud800"', b'"\xff\xfe"', b'"a\x00b"', b'"' + b"x" * 30_000 + b'"'),
    *(b"[" * 9000, b"[" * 9000 + b"]" * 9000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b""),
)
_TEXTS = (
    *("", "\x00", "a\x00b", "-1", "1e400", "NaN", "9" * 400, "[" * 9000, "x" * 30_000, "{}"),
    *("\u202e", "\U0001f600", "%00", "&a=b", "=", "1.5", "\uff11"),
)
_BODIES = (
    *(b"", b"\x00", b"\xff\xfe", b"null", b"[]", b"7", b'""', b"{", b"{}", b"[" * 60_000),
    *(b'{"a":' * 12_000, b"9" * 60_000, b'{"id":"\\u0000"}', b"\xef\xbb\xbf{}", b"<xml/>", b"%"),
)
# Each family tells a payment to somebody else, or in another mode than ours.
_FOREIGN = {
    "wechat": ("merchant", "appid"),
    "stripe": ("merchant",),
    "pingxx": ("app", "play money"),
    "alipay": ("seller", "app"),
}


class Desk(NamedTuple):
    """An adapter, and the pen that writes to it."""

    entry: Entry
    pen: Any
    provider: Provider
    kept: Kept

    def payment(self) -> Payment:
        number = attempt_no(new_order_no(), 1)
        return Payment(number, self.pen.dice.choice(PRICES_MINOR), self.pen.txn())

    def scene(self) -> Stage[Any]:
        first = Payment(attempt_no(new_order_no(), 1), PRICES_MINOR[0], self.pen.txn())
        other = Payment(attempt_no(new_order_no(), 1), PRICES_MINOR[1], self.pen.txn())
        paid = self.payment()
        return Stage(
            forge=self.pen,
            waiting=(first, other),
            paid=((paid, self.pen.genuine(paid)),),
            attempt_nos=frozenset({first.attempt_no, other.attempt_no, paid.attempt_no}),
        )

    def sent(self, family: str) -> Notice:
        mutant = self.entry.families[family](self.scene())
        return Notice({n.decode(): v.decode() for n, v in mutant.headers}, mutant.body)

    def refusal_of(self, notice: Notice) -> RefusalReason:
        with pytest.raises(NoticeRefused) as refused:
            self.provider.verify(lowered(notice), notice.body, datetime.now(UTC))
        return refused.value.reason

    def told(self, notice: Notice) -> list[Fact] | str:
        """Take a notice as the door and the inbox do; anything but their two refusals fails."""
        try:
            verified = self.provider.verify(lowered(notice), notice.body, datetime.now(UTC))
        except NoticeRefused as refused:
            return refused.reason
        assert verified.event_id.isprintable()
        assert 0 < len(verified.event_id) <= 128
        try:
            facts = self.provider.read(notice.body)
        except NoticeUnreadable as unreadable:
            return unreadable.reason
        # What is told and kept goes into rows, which take no NUL and no half of a pair.
        assert b"\\u0000" not in msgspec.json.encode((facts, list(self.kept)))
        self.kept.clear()
        return facts


def lowered(notice: Notice) -> dict[str, str]:
    return {name.lower(): value for name, value in notice.headers.items()}


@pytest.fixture(scope="module", params=[make().provider for make in ENTRIES])
def desk(request: pytest.FixtureRequest) -> Desk:
    entry = next(one for one in (make() for make in ENTRIES) if one.provider == request.param)
    environ = {
        "APP_ENV": "sandbox",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "JWT_SECRET": "sandbox-" + "a" * 64,
        **wechat().environ,
        **entry.environ,
    }
    kept = Kept()
    tills = tills_of(read_settings(environ), kept)
    provider = next(till.provider for till in tills if till.provider.name == entry.provider)
    return Desk(entry, entry.pen(random.Random(7)), provider, kept)  # noqa: S311 - replayable


def asked_for(desk: Desk, fact: PaymentSucceeded) -> AttemptRequest:
    """Make the request that a payment answers, but for whom it names."""
    merchant_id, appid = desk.entry.merchant
    return an_attempt(
        attempt_no=fact.attempt_no,
        provider=desk.entry.provider,
        channel=desk.entry.channel,
        merchant_id=merchant_id,
        appid=appid,
        amount=fact.paid,
    )


def sent_again(desk: Desk, notice: Notice) -> Notice:
    """Send a notice once more, proven anew."""
    if desk.entry.provider == "alipay":
        return Notice(notice.headers, b"&".join(reversed(notice.body.split(b"&"))))
    again: Notice = desk.pen.signed(notice.body)
    return again


def spoiled(desk: Desk) -> Iterator[tuple[str, Notice]]:
    """Sign every notice that has one value replaced by junk."""
    pen, payment = desk.pen, desk.payment()
    if desk.entry.provider == "alipay":
        trade = pen.trade(payment)
        for name in trade:
            for text in _TEXTS:
                yield f"{name} {text[:9]!r}", entry_alipay.posted(pen.signed(trade | {name: text}))
        foreign = trade | {"charset": "gbk", "subject": "\u20ac"}
        yield "half a character", entry_alipay.posted(pen.signed(foreign))
        return
    for words, sign in _layers(desk, payment):
        for path in _paths(words):
            holed = encoded(_replaced(words, path)).split(encoded(_HOLE))
            for junk in _JUNK:
                yield f"{path} {junk[:9]!r}", sign(junk.join(holed))


def _layers(desk: Desk, payment: Payment) -> list[tuple[Any, Callable[[bytes], Notice]]]:
    pen = desk.pen
    if desk.entry.provider == "wechat":
        told = pen.transaction(payment)
        return [
            (told, lambda inner: pen.signed(encoded(pen.envelope(inner)))),
            (pen.envelope(told), pen.signed),
        ]
    told = pen.intent(payment) if desk.entry.provider == "stripe" else pen.charge(payment)
    return [(pen.event(told), pen.signed)]


def _paths(words: Any, *above: str) -> list[tuple[str, ...]]:  # noqa: ANN401 - JSON
    if not isinstance(words, dict):
        return [above]
    below = [path for name, one in words.items() for path in _paths(one, *above, name)]
    return [above, *below] if above else below


def _replaced(words: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    if not path:
        return _HOLE
    return {**words, path[0]: _replaced(words[path[0]], path[1:])}


class TestEveryNotice:
    def test_that_is_genuine_tells_who_paid_whom_how_much(self, desk: Desk) -> None:
        payment = desk.payment()

        (fact,) = list(desk.told(desk.pen.genuine(payment)))

        assert isinstance(fact, PaymentSucceeded)
        assert (fact.attempt_no, fact.provider_txn_id) == (payment.attempt_no, payment.txn)
        assert fact.paid == Money(amount_minor=payment.total_minor, currency="CNY")
        assert (fact.merchant_id, fact.appid) == desk.entry.merchant
        assert contradiction_of(asked_for(desk, fact), fact) is None

    def test_that_comes_again_is_known_by_its_id(self, desk: Desk) -> None:
        notice, other = desk.pen.genuine(desk.payment()), desk.pen.genuine(desk.payment())
        now = datetime.now(UTC)
        again = sent_again(desk, notice)

        first, second, third = (
            desk.provider.verify(lowered(one), one.body, now).event_id
            for one in (notice, again, other)
        )

        assert first == second != third
        assert desk.told(again) == desk.told(notice)

    def test_that_is_forged_is_refused(self, desk: Desk) -> None:
        for _ in range(THROWS):
            assert desk.refusal_of(desk.sent("signature")) is RefusalReason.BAD_SIGNATURE

    def test_that_is_not_of_now_is_refused(self, desk: Desk) -> None:
        for _ in range(THROWS):
            assert desk.refusal_of(desk.sent("staleness")) is RefusalReason.STALE

    def test_of_a_foreign_merchant_contradicts_what_was_asked(self, desk: Desk) -> None:
        for family in _FOREIGN[desk.entry.provider]:
            for _ in range(THROWS):
                (fact,) = list(desk.told(desk.sent(family)))

                assert isinstance(fact, PaymentSucceeded)
                assert contradiction_of(asked_for(desk, fact), fact) in {"merchant", "appid"}

    @pytest.mark.parametrize("body", _BODIES, ids=lambda body: repr(body[:12]))
    def test_that_is_no_notice_proves_nothing(self, desk: Desk, body: bytes) -> None:
        for headers in ({}, lowered(desk.pen.genuine(desk.payment()))):
            assert isinstance(desk.told(Notice(headers, body)), RefusalReason)

    @pytest.mark.parametrize("body", _BODIES, ids=lambda body: repr(body[:12]))
    def test_that_is_signed_and_no_notice_tells_nothing(self, desk: Desk, body: bytes) -> None:
        if desk.entry.provider == "alipay":
            # Its signature is a field, so what is signed is a form, whatever is in it.
            trade = desk.pen.trade(desk.payment()) | {"trade_status": body.decode("latin-1")}
            notice = entry_alipay.posted(desk.pen.signed(trade))
        else:
            notice = desk.pen.signed(body)

        assert isinstance(desk.told(notice) or "nothing", str)

    def test_that_is_signed_and_says_anything_fails_in_no_other_way(self, desk: Desk) -> None:
        ends = {what: desk.told(notice) for what, notice in spoiled(desk)}

        unread = [what for what, end in ends.items() if isinstance(end, str)]
        assert len(unread) > len(ends) / 5, "hardly anything was stopped"

    def test_leaves_nothing_behind_that_pays_or_tells_who_paid(self, desk: Desk) -> None:
        desk.kept.clear()
        told = desk.provider.read(desk.pen.genuine(desk.payment()).body)
        shown = repr(told) + repr(list(desk.kept)) + repr(vars(desk.provider))

        assert told
        secrets = [v for n, v in desk.entry.environ.items() if "SECRET" in n or "_V3_" in n]
        for secret in (*secrets, "oCanaryOpenid", "PRIVATE KEY-----"):
            assert secret not in shown
