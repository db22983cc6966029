"""Calls made from the interface's own description, honest ones and others, all checks on."""

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from tests.api.service import STANDARD, Buyer
from tests.api.test_webhooks import signed
from tests.hostile.coupons import aim_at_coupons, is_of_coupons
from tests.hostile.course import aim_at_course, is_of_course
from tests.hostile.honest import aimed, body_for, is_known
from tests.hostile.intents import aim_at_intents, is_of_intents
from tests.hostile.organizers import manage, manage_order
from tests.hostile.party import Party
from tests.hostile.pens import PENS, a_notice_of_nothing
from tests.hostile.stand import DOORS, EVENTS, OF_A_MANAGED_ORDER, WEBHOOK, Door, Stand
from tests.sandbox.simulator import WEBHOOK_SECRET, Simulator
from tests.storage.told import signed as signed_event

pytestmark = [pytest.mark.xdist_group("hostile"), pytest.mark.timeout(300)]

SEED = int(os.environ.get("GUICHET_SCHEMA_SEED") or 0) or random.randrange(2**31)  # noqa: S311
# Per operation and kind of call; `make fuzz` makes five times as many.
CALLS = int(os.environ.get("GUICHET_SCHEMA_CALLS") or 20)
_CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
_OFFERED = (1, 2, 4)
_OTHER_METHODS = ("PUT", "DELETE", "PATCH", "TRACE", "POST", "GET")
_DESCRIBED = tuple(door for door in DOORS if door.described)


class Tally:
    """What one operation answered."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()

    def add(self, response: Response) -> None:
        self.statuses[response.status_code] += 1

    @property
    def accepted(self) -> int:
        return sum(n for status, n in self.statuses.items() if 200 <= status < 300)

    @property
    def refused(self) -> int:
        return sum(n for status, n in self.statuses.items() if 400 <= status < 500)


class Caller:
    """Makes calls of one operation over one connection and checks what comes back."""

    def __init__(self, stand: Stand, operation: APIOperation[Any, Any, Any, Any]) -> None:
        self._base_url = stand.service.base_url
        self._session = requests.Session()
        self._session.trust_env = False
        self.operation = operation
        self.tally = Tally()

    def close(self) -> None:
        self._session.close()

    def call(self, case: "Case[Any]", **more: Any) -> Response:  # noqa: ANN401  # what requests takes
        """Make a call as described, and hold the answer against the description."""
        options: dict[str, Any] = {"base_url": self._base_url, "session": self._session}
        response = case.call(**options, **more)
        self.tally.add(response)
        case.validate_response(response, checks=_CHECKS, transport_kwargs=options)
        return response

    def call_otherwise(self, method: str, path: str) -> None:
        """Make a call that is described nowhere."""
        response = self._session.request(method, f"{self._base_url}{path}", timeout=20)
        assert response.status_code == 405, response.text
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["allow"]
        self.tally.statuses[405] += 1

    def many(
        self, mode: GenerationMode, count: int, attempt: Callable[["Case[Any]", int], object]
    ) -> None:
        """Have *count* calls generated; the same seed generates the same ones."""

        @seed(SEED)
        @settings(
            max_examples=count,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=self.operation.as_strategy(generation_mode=mode), salt=st.integers(0, 2**32))
        def made(case: "Case[Any]", salt: int) -> None:
            attempt(case, salt)

        made()


@pytest.fixture(scope="module")
def operations(stand: Stand) -> dict[str, APIOperation[Any, Any, Any, Any]]:
    """Read the interface's description as everybody can."""
    described = schemathesis.openapi.from_dict(stand.http.get("/schema/openapi.json").json())
    # A NUL is a string to the description and refused here: PostgreSQL cannot keep one.
    described.config.generation.allow_x00 = False
    found: list[Any] = [result.ok() for result in described.get_all_operations()]  # type: ignore[union-attr]  # an error has no ok(), and fails here
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


@pytest.fixture
def caller(
    stand: Stand, operations: dict[str, APIOperation[Any, Any, Any, Any]], door: Door
) -> Iterator[Caller]:
    sys.stdout.write(f"GUICHET_SCHEMA_SEED={SEED}\n")
    caller = Caller(stand, operations[str(door)])
    yield caller
    caller.close()


@pytest.fixture(scope="module")
def buyer(stand: Stand) -> Iterator[Buyer]:
    """Somebody with an order of one's own to look at and to leave."""
    buyer = Buyer(stand.service)
    assert buyer.order().status_code == 201
    yield buyer
    buyer.http.close()


@pytest.fixture(scope="module")
def party(stand: Stand, simulator: Simulator) -> Iterator[Party]:
    party = Party(stand, simulator)
    yield party
    party.close()


_AIMS: tuple[tuple[Callable[[Door], bool], Callable[[Any, Door, Stand], None]], ...] = (
    (is_of_coupons, aim_at_coupons),
    (is_of_course, aim_at_course),
    (is_of_intents, aim_at_intents),
    (lambda door: door in OF_A_MANAGED_ORDER, manage_order),
    (lambda door: door.is_managed, manage),
)


def honest(case: "Case[Any]", door: Door, stand: Stand, buyer: Buyer, simulator: Simulator) -> None:
    """Point a generated call at what exists, as somebody who may see it."""
    for theirs, aim in _AIMS:
        if theirs(door):
            aim(case, door, stand)
            return
    _show(case, door, stand, buyer)
    body: Any = case.body
    if aimed(case, door.path, stand):
        return
    if door.path.endswith("/orders") and door.reads_body:
        newcomer = Buyer(stand.service)
        newcomer.http.close()
        case.headers["Authorization"] = f"Bearer {newcomer.token}"
        case.body = {name: body[name] for name in body if name != "couponCode"} | {
            "ticketTypeId": STANDARD,
            "quantity": _OFFERED[int(body.get("quantity", 1)) % len(_OFFERED)],
        }
    elif is_known(door.path) and door.reads_body:
        case.body, token = body_for(door.path, body, stand, simulator)
        case.headers["Authorization"] = f"Bearer {token}"
    elif door.reads_body:
        case.body = body | {"name": "".join(filter(str.isprintable, body["name"])) or "nameless"}


def _show(case: "Case[Any]", door: Door, stand: Stand, buyer: Buyer) -> None:
    orders = buyer.http.get("/api/events/1/orders").json()["items"]
    if "{event_id}" in door.path:
        case.path_parameters["event_id"] = "1"
    if "{order}" in door.path:
        case.path_parameters["order"] = orders[0]["orderNo"]
    if case.query and "cursor" in case.query:
        case.query["cursor"] = str(len(str(case.query["cursor"])))
    if door.signed_in:
        who = next((one for one in stand.attackers if door.role in one.user["roles"]), buyer)
        case.headers["Authorization"] = f"Bearer {who.token}"


@pytest.mark.parametrize("door", _DESCRIBED, ids=str)
class TestAnOperation:
    def test_keeps_to_its_description(
        self,
        stand: Stand,
        caller: Caller,
        buyer: Buyer,
        *,
        door: Door,
        simulator: Simulator,
        party: Party,
    ) -> None:
        def as_meant(case: "Case[Any]", salt: int) -> None:
            if door.path in PENS:
                notice = a_notice_of_nothing(door.path, salt)
                answer = caller.call(case, headers=notice.headers, data=notice.body)
            elif door.path == WEBHOOK:
                body = salt.to_bytes(8, "big")
                headers = signed(body, simulator.keyring.platform)
                answer = caller.call(case, headers=headers, data=body)
            elif door.path == EVENTS:
                body = json.dumps(case.body).encode()
                headers = signed_event(body, secret=WEBHOOK_SECRET)
                answer = caller.call(case, headers=headers, data=body)
            elif party.knows(door):
                party.mean(case, door)
                answer = caller.call(case)
            else:
                honest(case, door, stand, buyer, simulator)
                answer = caller.call(case)
            assert 200 <= answer.status_code < 300, (case.body, answer.text)

        def as_not_meant(case: "Case[Any]", salt: int) -> None:
            if door.signed_in and salt % 4:
                case.headers["Authorization"] = f"Bearer {buyer.token}"
            caller.call(case)

        caller.many(GenerationMode.POSITIVE, CALLS, as_meant)
        caller.many(GenerationMode.POSITIVE, CALLS, as_not_meant)
        if door.reads_body or caller.operation.query:
            caller.many(GenerationMode.NEGATIVE, CALLS, as_not_meant)
        known = {other.method for other in DOORS if other.path == door.path}
        others = [method for method in _OTHER_METHODS if method not in known]
        for n in range(CALLS):
            caller.call_otherwise(others[n % len(others)], f"{door.to(order=1)}?{n}")

        sys.stdout.write(f"{door} {dict(caller.tally.statuses)}\n")
        assert caller.tally.accepted >= CALLS
        assert caller.tally.refused >= CALLS
