"""Forged identities at every door that asks for one."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from tests.api.service import JWT_SECRET, ORDERS
from tests.hostile.stand import (
    ABSENT,
    DOORS,
    OF_A_MANAGED_ORDER,
    OF_ONE_ORDER,
    OF_ONE_ROLE,
    SIGNED_IN,
    UNKNOWN,
    Door,
    Stand,
    refusal,
)
from tests.providers.signing import private_pem, public_pem

pytestmark = [pytest.mark.xdist_group("hostile"), pytest.mark.usefixtures("unmoved")]

_RSA = generate_private_key(public_exponent=65537, key_size=2048)


def claims(**changes: object) -> dict[str, Any]:
    # Long enough for the whole run: most are made when the tests are listed.
    honest = {"sub": "ann", "iss": "guichet", "aud": "guichet", "exp": int(time.time()) + 172_800}
    return {name: value for name, value in (honest | changes).items() if value is not None}


def token(secret: str = JWT_SECRET, algorithm: str = "HS256", **changes: object) -> str:
    return jwt.encode(claims(**changes), secret, algorithm=algorithm)


def assembled(header: object, payload: object, secret: bytes | None = None) -> str:
    """Build a token by hand, with or without an HMAC under *secret*."""
    head, body = (_part(json.dumps(one).encode()) for one in (header, payload))
    signed = f"{head}.{body}".encode()
    mark = b"" if secret is None else hmac.new(secret, signed, hashlib.sha256).digest()
    return f"{head}.{body}.{_part(mark)}"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


_HS256 = {"alg": "HS256", "typ": "JWT"}
_FORGED = {
    "no token": None,
    "an empty word": ".",
    "no parts": "abc",
    "nonsense": "a.b.c",
    "another scheme": "Basic YWRtaW46YWRtaW4=",
    "alg none": assembled({"alg": "none"}, claims()),
    "alg None": assembled({"alg": "None", "typ": "JWT"}, claims()),
    "no alg": assembled({"typ": "JWT"}, claims()),
    "alg is a list": assembled({"alg": ["HS256"]}, claims(), JWT_SECRET.encode()),
    "no signature": assembled(_HS256, claims()),
    "another key": token("x" * 64),
    "an empty key": assembled(_HS256, claims(), b""),
    "another size": token(algorithm="HS512"),
    "signed by RSA": token(private_pem(_RSA), "RS256"),
    "a public key as secret": assembled(_HS256, claims(), public_pem(_RSA).encode()),
    "kid is a path": assembled({**_HS256, "kid": "../../../../dev/null"}, claims(), b""),
    "kid is SQL": assembled({**_HS256, "kid": "x' UNION SELECT 'k"}, claims(), b"k"),
    "brings its key": assembled(
        {**_HS256, "jwk": {"kty": "oct", "k": _part(b"k")}, "jku": "http://127.0.0.1/"},
        claims(),
        b"k",
    ),
    "critical extension": assembled({**_HS256, "crit": ["exp"]}, claims(), b"k"),
    "expired": token(exp=int(time.time()) - 1),
    "expired long ago": token(exp=0),
    "for ever": token(exp=None),
    "till infinity": assembled(_HS256, claims(exp=float("inf")), JWT_SECRET.encode()),
    "till no number": assembled(_HS256, claims(exp=[]), JWT_SECRET.encode()),
    "not yet": token(nbf=int(time.time()) + 86_400),
    "made tomorrow": token(iat=int(time.time()) + 86_400),
    "for others": token(aud="admin"),
    "for nobody": token(aud=None),
    "by others": token(iss="https://issuer.example"),
    "by nobody": token(iss=None),
    "about nobody": token(sub=None),
    "about a number": assembled(_HS256, claims(sub=1), JWT_SECRET.encode()),
    "about everything": token(sub="x" * 4096),
    "about a NUL": token(sub="ann\x00"),
    "about an override": token(sub="ann\u202e"),
    "no object": assembled(_HS256, ["sub"], JWT_SECRET.encode()),
    "huge": token("x" * 64, note="x" * 20_000),
    "encrypted": "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..a.b.c",
    "two tokens": f"{token()} {token()}",
    "two in a list": f"{token()},{token()}",
}


class TestAForgedToken:
    @pytest.mark.parametrize("forged", _FORGED.values(), ids=_FORGED.keys())
    def test_opens_no_door(self, stand: Stand, forged: str | None) -> None:
        headers = {} if forged is None else {"Authorization": f"Bearer {forged}"}
        for door in SIGNED_IN:
            path = door.to(order=stand.order["orderNo"])
            answer = stand.http.request(door.method, path, headers=headers, json={})

            assert refusal(answer) == UNKNOWN, str(door)
            assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        "scheme", ["", "bearer", "Bearer\t", "Token ", "Basic ", "JWT ", "DPoP "]
    )
    def test_is_taken_under_its_scheme_only(self, stand: Stand, scheme: str) -> None:
        headers = {"Authorization": f"{scheme}{stand.victim.token}"}

        assert refusal(stand.http.get(ORDERS, headers=headers)) == UNKNOWN

    def test_is_not_taken_beside_another(self, stand: Stand) -> None:
        pairs = [("Authorization", f"Bearer {one.token}") for one in (stand.attacker, stand.victim)]
        for headers in (pairs, pairs[::-1]):
            assert refusal(stand.http.get(ORDERS, headers=headers)) == UNKNOWN

    def test_is_not_taken_from_elsewhere(self, stand: Stand) -> None:
        token = stand.victim.token
        answers = [
            stand.http.get(f"{ORDERS}?access_token={token}&token={token}"),
            stand.http.get(ORDERS, headers={"Cookie": f"token={token}; Authorization={token}"}),
            stand.http.get(ORDERS, headers={"X-Authorization": f"Bearer {token}"}),
            stand.http.get(ORDERS, headers={"Proxy-Authorization": f"Bearer {token}"}),
        ]

        assert {refusal(answer) for answer in answers} == {UNKNOWN}

    @pytest.mark.parametrize(
        "name",
        ["X-User-Id", "X-Forwarded-User", "X-Remote-User", "Remote-User", "X-Role", "X-Admin"],
    )
    def test_is_not_made_up_by_a_header(self, stand: Stand, name: str) -> None:
        for door in OF_ONE_ORDER:
            path = door.to(order=stand.order["orderNo"])
            headers = {name: str(stand.victim.user["id"])}

            assert refusal(stand.http.request(door.method, path, headers=headers)) == UNKNOWN


class TestATokenOfAnotherRole:
    @pytest.mark.usefixtures("unmoved")
    @pytest.mark.parametrize("door", OF_ONE_ROLE, ids=str)
    def test_opens_no_door_of_one_role(self, stand: Stand, door: Door) -> None:
        others = [one for one in stand.attackers if door.role not in one.user["roles"]]
        forged = token(sub=stand.victim.name, roles=["buyer", "Admin", "admin "])
        for bearer in (*(other.token for other in others), forged):
            for content in (b"", b"{}", b'{"rolloutPercent": 0, "minVersion": "9"}', b"{"):
                headers = {"Authorization": f"Bearer {bearer}"}
                answer = stand.http.request(
                    door.method, door.to(), content=content, headers=headers
                )

                assert refusal(answer) == (403, "FORBIDDEN")


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("door", OF_A_MANAGED_ORDER, ids=str)
class TestADoorOfWhoManagesAnEvent:
    def test_is_closed_to_buyers_and_to_other_organizers(self, stand: Stand, door: Door) -> None:
        victim, organizer = stand.victim, stand.attackers[1]
        for one, told in ((victim, (403, "FORBIDDEN")), (organizer, ABSENT)):
            for order in (stand.order["orderId"], stand.order["orderNo"]):
                answer = one.http.request(
                    door.method, door.to(order=order), json={"reason": "mine"}
                )

                assert refusal(answer) == told

    def test_leads_nowhere_by_another_event_or_a_wrong_order(
        self, stand: Stand, door: Door
    ) -> None:
        admin = stand.attackers[2]
        for event, order in ((2, stand.order["orderNo"]), (1, 2**53 - 1), (1, "x"), ("x", 1)):
            path = door.to(event=event, order=order)

            assert refusal(admin.http.post(path, json={"reason": "mine"})) == ABSENT


class TestTheTable:
    def test_has_every_door(self, stand: Stand) -> None:
        """A door that is added here is attacked from its first day."""
        paths = stand.http.get("/schema/openapi.json").json()["paths"]
        described = {
            (method.upper(), path, "security" in operation, "requestBody" in operation)
            for path, item in paths.items()
            for method, operation in item.items()
        }

        assert described == {
            (door.method, door.path, door.signed_in, door.reads_body)
            for door in DOORS
            if door.described
        }
