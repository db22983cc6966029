"""Stripe's simulator, spoken to by its own SDK and by a payer's browser."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.simulator import (
    NoticeDoor,
    Received,
    Simulator,
    new_trade_no,
    running_simulator,
    wait_until,
)

KEY, PUBLIC, SECRET = "sk_test_51Sandbox", "pk_test_51Sandbox", "whsec_sandbox"
INTENTS, SESSIONS, REFUNDS = "/v1/payment_intents", "/v1/checkout/sessions", "/v1/refunds"


def environment(door: NoticeDoor) -> dict[str, str]:
    return {
        "SANDBOX_TIME_SCALE": "60",
        "SANDBOX_STRIPE_SECRET_KEY": KEY,
        "SANDBOX_STRIPE_WEBHOOK_SECRET": SECRET,
        "SANDBOX_STRIPE_WEBHOOK_URL": door.url,
    }


@pytest.fixture(scope="module")
def door() -> Iterator[NoticeDoor]:
    with NoticeDoor() as door:
        yield door


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory, door: NoticeDoor) -> Iterator[Simulator]:
    folder = tmp_path_factory.mktemp("stripe")
    with running_simulator(folder, **environment(door)) as simulator:
        yield simulator


@pytest.fixture
def account(simulator: Simulator) -> Iterator["Account"]:
    account = Account(simulator.base_url)
    yield account
    account.http.close()


class Account:
    """A merchant who sends forms with a key."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=f"{base_url}/stripe", trust_env=False, timeout=30)

    def post(self, path: str, words: dict[str, Any], **headers: str) -> httpx.Response:
        given = {"Authorization": f"Bearer {KEY}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.http.post(path, data=words, headers=given)

    def get(self, path: str, **params: str) -> httpx.Response:
        return self.http.get(path, params=params, headers={"Authorization": f"Bearer {KEY}"})

    def intent(self, **changes: str) -> dict[str, Any]:
        """Make an intent of 99 dollars."""
        words = {"amount": "9900", "currency": "usd", "metadata[attempt_no]": new_trade_no()}
        reply = self.post(INTENTS, words | changes)
        assert reply.status_code == 200
        return dict(reply.json())


def a_session(**changes: str) -> dict[str, str]:
    number = new_trade_no()
    return {
        "mode": "payment",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "9900",
        "line_items[0][price_data][product_data][name]": "Two <tickets>",
        "line_items[0][quantity]": "1",
        "success_url": "https://tickets.example/done?session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://tickets.example/back",
        "metadata[attempt_no]": number,
        "payment_intent_data[metadata][attempt_no]": number,
    } | changes


def number_of(thing: dict[str, Any]) -> str:
    return str(thing["metadata"]["attempt_no"])


def events_of(door: NoticeDoor, number: str, count: int) -> list[Received]:
    return door.wait_where(lambda one: number.encode() in one.body, count)


def types(events: list[Received]) -> list[str]:
    return sorted(event.message["type"] for event in events)


def verified(event: Received, secret: str = SECRET) -> stripe.Event:
    """Have Stripe's own SDK check who sent it."""
    header = {n.lower(): v for n, v in event.headers.items()}["stripe-signature"]
    told = stripe.Webhook.construct_event(event.body, header, secret)
    assert isinstance(told, stripe.Event)
    return told


class TestAnIntent:
    def test_is_paid_and_told_of_in_words_that_the_sdk_believes(
        self, simulator: Simulator, account: Account, door: NoticeDoor
    ) -> None:
        made = account.intent()
        assert made["status"] == "requires_payment_method"
        assert made["client_secret"].startswith(f"{made['id']}_secret_")

        reply = simulator.act(number_of(made), "pay")

        assert reply.json() == {"status": "succeeded"}
        (event,) = events_of(door, number_of(made), 1)
        told = verified(event)
        assert told.type == "payment_intent.succeeded"
        assert told.data.object["id"] == made["id"]
        found = account.get(f"{INTENTS}/{made['id']}", **{"expand[]": "latest_charge"}).json()
        assert found["latest_charge"]["amount"] == found["amount_received"] == 9900

    def test_is_paid_by_a_payers_browser(self, account: Account, door: NoticeDoor) -> None:
        made = account.intent()
        path = f"{INTENTS}/{made['id']}/confirm"
        said = {"key": PUBLIC, "client_secret": made["client_secret"]}

        stranger = account.http.post(path, data={"key": PUBLIC, "payment_method": "pm_card_visa"})
        declined = account.http.post(path, data=said | {"payment_method": "pm_card_chargeDeclined"})
        card = {
            "payment_method_data[type]": "card",
            "payment_method_data[card][number]": "4242 4242 4242 4242",
        }
        paid = account.http.post(path, data=said | card)

        assert stranger.status_code == 401
        assert (declined.status_code, declined.json()["error"]["code"]) == (402, "card_declined")
        assert paid.json()["status"] == "succeeded"
        assert types(events_of(door, number_of(made), 2)) == [
            "payment_intent.payment_failed",
            "payment_intent.succeeded",
        ]

    def test_is_canceled_once(self, account: Account, door: NoticeDoor) -> None:
        made = account.intent()

        first = account.post(f"{INTENTS}/{made['id']}/cancel", {})
        again = account.post(f"{INTENTS}/{made['id']}/cancel", {})

        assert first.json()["status"] == "canceled"
        assert again.json()["error"]["code"] == "payment_intent_unexpected_state"
        assert again.json()["error"]["payment_intent"]["status"] == "canceled"
        assert types(events_of(door, number_of(made), 1)) == ["payment_intent.canceled"]

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"amount": "0"}, "parameter_invalid_integer"),
            ({"amount": "9.5"}, "parameter_invalid_integer"),
            ({"colour": "red"}, "parameter_unknown"),
            ({"automatic_payment_methods[enabled]": "maybe"}, "parameter_invalid_integer"),
        ],
    )
    def test_is_understood_to_the_letter(
        self, account: Account, changes: dict[str, str], code: str
    ) -> None:
        reply = account.post(INTENTS, {"amount": "9900", "currency": "usd"} | changes)

        assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)

    def test_is_found_by_a_search_a_little_later(self, account: Account) -> None:
        made = account.intent()
        query = f'metadata["attempt_no"]:"{number_of(made)}"'

        assert account.get(f"{INTENTS}/search", query=query).json()["data"] == []
        wait_until(lambda: account.get(f"{INTENTS}/search", query=query).json()["data"])


class TestASession:
    def test_is_paid_on_its_page(self, account: Account, door: NoticeDoor) -> None:
        made = account.post(SESSIONS, a_session()).json()

        shown = httpx.get(made["url"], trust_env=False)
        declined = httpx.post(made["url"], data={"card": "4000 0000 0000 0002"}, trust_env=False)
        paid = httpx.post(made["url"], data={"card": "4242424242424242"}, trust_env=False)

        assert "Two &lt;tickets&gt;" in shown.text
        assert declined.status_code == 402
        assert paid.status_code == 303
        assert paid.headers["Location"] == f"https://tickets.example/done?session_id={made['id']}"
        assert types(events_of(door, number_of(made), 3)) == [
            "checkout.session.completed",
            "payment_intent.payment_failed",
            "payment_intent.succeeded",
        ]
        found = account.get(f"{SESSIONS}/{made['id']}").json()
        assert (found["status"], found["payment_status"]) == ("complete", "paid")

    def test_is_expired_while_it_is_open(self, account: Account, door: NoticeDoor) -> None:
        made = account.post(SESSIONS, a_session()).json()

        assert account.post(f"{SESSIONS}/{made['id']}/expire", {}).json()["status"] == "expired"
        assert account.post(f"{SESSIONS}/{made['id']}/expire", {}).status_code == 400
        assert types(events_of(door, number_of(made), 1)) == ["checkout.session.expired"]
        assert "expired" in httpx.get(made["url"], trust_env=False).text
        assert httpx.post(made["url"], trust_env=False).status_code == 409

    @pytest.mark.parametrize("seconds", [29 * 60, 25 * 3600])
    def test_lives_between_half_an_hour_and_a_day(self, account: Account, seconds: int) -> None:
        ends_at = str(int(time.time()) + seconds)

        assert account.post(SESSIONS, a_session(expires_at=ends_at)).status_code == 400


class TestAKey:
    def test_is_needed(self, account: Account) -> None:
        for key in ("", "Bearer sk_test_other", f"Bearer {PUBLIC}"):
            reply = account.http.post(INTENTS, headers={"Authorization": key})
            assert reply.status_code in {401, 403}
            assert reply.headers["Request-Id"].startswith("req_")

    def test_under_which_a_call_was_made_brings_the_same_answer(self, account: Account) -> None:
        words = {"amount": "9900", "currency": "usd"}
        first = account.post(INTENTS, words, Idempotency_Key="once")

        again = account.post(INTENTS, words, Idempotency_Key="once")
        other = account.post(INTENTS, words | {"amount": "1"}, Idempotency_Key="once")

        assert again.json() == first.json()
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"
        assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")

    def test_of_a_call_that_never_began_is_still_free(self, account: Account) -> None:
        wrong = account.post(INTENTS, {"amount": "x", "currency": "usd"}, Idempotency_Key="free")

        right = account.post(INTENTS, {"amount": "1", "currency": "usd"}, Idempotency_Key="free")

        assert (wrong.status_code, right.status_code) == (400, 200)

    def test_under_which_stripe_failed_fails_again(
        self, simulator: Simulator, account: Account
    ) -> None:
        words = {"amount": "9900", "currency": "usd"}
        simulator.fault("open", "kept_500", provider="stripe")

        first, again = (account.post(INTENTS, words, Idempotency_Key="bad") for _ in range(2))
        other = account.post(INTENTS, words, Idempotency_Key="good")

        assert [one.status_code for one in (first, again, other)] == [500, 500, 200]
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"

    def test_is_not_used_twice_at_once(self, simulator: Simulator, account: Account) -> None:
        words = {"amount": "9900", "currency": "usd"}
        simulator.fault("open", "hang_before", provider="stripe", delay_ms=6000)

        def call() -> httpx.Response:
            return account.post(INTENTS, words, Idempotency_Key="busy")

        with ThreadPoolExecutor(2) as pool:
            replies = sorted(
                (one.result() for one in [pool.submit(call), pool.submit(call)]),
                key=lambda reply: reply.status_code,
            )

        assert [reply.status_code for reply in replies] == [200, 409]
        assert replies[1].json()["error"]["code"] == "idempotency_key_in_use"


class TestARefund:
    def paid(self, simulator: Simulator, account: Account) -> dict[str, Any]:
        made = account.intent()
        simulator.act(number_of(made), "pay", drop=True)
        return made

    def test_is_pending_then_settled_and_told_at_each_step(
        self, simulator: Simulator, account: Account, door: NoticeDoor
    ) -> None:
        made = self.paid(simulator, account)
        words = {"payment_intent": made["id"], "amount": "4000", "metadata[refund_no]": "R1"}

        refund = account.post(REFUNDS, words).json()

        assert refund["status"] == "pending"
        events = events_of(door, made["id"], 3)
        assert types(events) == ["charge.refunded", "refund.created", "refund.updated"]
        assert all(verified(event) for event in events)
        assert account.get(f"{REFUNDS}/{refund['id']}").json()["status"] == "succeeded"
        (listed,) = account.get(REFUNDS, payment_intent=made["id"]).json()["data"]
        assert listed["metadata"] == {"refund_no": "R1"}

    def test_never_goes_above_what_was_paid(self, simulator: Simulator, account: Account) -> None:
        made, unpaid = self.paid(simulator, account), account.intent()
        about = {"payment_intent": made["id"]}

        too_much = account.post(REFUNDS, about | {"amount": "9901"})
        whole = account.post(REFUNDS, about)
        more = account.post(REFUNDS, about | {"amount": "1"})
        nothing = account.post(REFUNDS, {"payment_intent": unpaid["id"]})

        statuses = [reply.status_code for reply in (too_much, whole, more, nothing)]
        assert statuses == [400, 200, 400, 400]
        assert more.json()["error"]["code"] == "charge_already_refunded"

    def test_of_the_dashboard_has_no_number_of_the_merchants(
        self, simulator: Simulator, account: Account, door: NoticeDoor
    ) -> None:
        made = self.paid(simulator, account)
        path = f"/control/trades/{number_of(made)}/console-refund"

        answer = simulator.control.post(path, json={"amount": 100}).json()

        assert answer["out_refund_no"].startswith("re_")
        told = [e for e in events_of(door, made["id"], 2) if b"refund.created" in e.body]
        assert told[0].message["data"]["object"]["metadata"] == {}


class TestAnEvent:
    def test_is_sent_again_until_it_is_heard(self, tmp_path: Path) -> None:
        with (
            NoticeDoor() as deaf,
            running_simulator(tmp_path, **environment(deaf) | {"SANDBOX_TIME_SCALE": "600"}) as sim,
        ):
            deaf.statuses = [500, 302, 202]
            account = Account(sim.base_url)
            made = account.intent()
            sim.act(number_of(made), "pay")

            events = events_of(deaf, number_of(made), 3)

            assert len({event.message["id"] for event in events}) == 1
            assert all(verified(event) for event in events)
            wait_until(lambda: not sim.notices(number_of(made))["pending"])
            account.http.close()

    def test_of_a_rotated_secret_is_signed_with_both_and_then_with_one(
        self, tmp_path: Path
    ) -> None:
        with NoticeDoor() as own, running_simulator(tmp_path, **environment(own)) as sim:
            account = Account(sim.base_url)
            new = sim.control.post("/control/keys/stripe/rotate").json()["secret"]
            first = account.intent()
            sim.act(number_of(first), "pay")
            (both,) = events_of(own, number_of(first), 1)
            newest = sim.control.post("/control/keys/stripe/rotate", json={"overlap": False})
            last = account.intent()
            sim.act(number_of(last), "pay")
            (one,) = events_of(own, number_of(last), 1)
            body = {"out_trade_no": number_of(last), "overrides": {"key": "old"}}
            sim.control.post("/control/notices", json=body)
            *_, old = events_of(own, number_of(last), 2)

            assert verified(both, SECRET)
            assert verified(both, new)
            assert verified(one, newest.json()["secret"])
            assert verified(old, new)
            with pytest.raises(stripe.SignatureVerificationError):
                verified(one, new)
            account.http.close()

    def test_may_be_forged_late_or_of_a_dispute(
        self, simulator: Simulator, account: Account, door: NoticeDoor
    ) -> None:
        made = account.intent()
        simulator.act(number_of(made), "pay", drop=True)

        def crafted(kind: str, **overrides: Any) -> Received:  # noqa: ANN401 - any override
            told = {"out_trade_no": number_of(made), "kind": kind, "overrides": overrides}
            sent = simulator.control.post("/control/notices", json=told).json()
            return events_of(door, sent["id"], 1)[0]

        dispute = crafted("charge.dispute.closed", object={"status": "lost"})
        forged = crafted("success", forged=True)
        stale = crafted("success", timestamp_offset_seconds=-400)

        assert verified(dispute).data.object["payment_intent"] == made["id"]
        for event in (forged, stale):
            with pytest.raises(stripe.SignatureVerificationError):
                verified(event)


class TestTheSimulator:
    def test_knows_after_a_restart_what_it_knew_before(self, tmp_path: Path) -> None:
        with NoticeDoor() as own, running_simulator(tmp_path, **environment(own)) as sim:
            account = Account(sim.base_url)
            words = {"amount": "9900", "currency": "usd", "metadata[attempt_no]": new_trade_no()}
            made = account.post(INTENTS, words, Idempotency_Key="k").json()

            sim.kill()
            sim.restart()

            again = account.post(INTENTS, words, Idempotency_Key="k")
            assert again.json() == made
            assert again.headers["Idempotent-Replayed"] == "true"
            account.http.close()

    def test_has_no_stripe_without_its_settings(self, tmp_path: Path) -> None:
        with running_simulator(tmp_path) as sim:
            assert sim.control.get(f"/stripe{INTENTS}/pi_1").status_code == 404
