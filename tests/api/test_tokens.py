"""Which bearer tokens are believed."""

import base64
import json
import time
from typing import Any

import jwt
import pytest

from api.tokens import issue_sandbox_token, read_token
from contracts.errors import Unauthenticated
from runtime.settings import Settings

SECRET = "s" * 64
SETTINGS = Settings(database_url="", jwt_secret=SECRET)


def claims(**changes: object) -> dict[str, Any]:
    # Long enough for the whole run: most are made when the tests are listed.
    honest = {"sub": "ann", "iss": "guichet", "aud": "guichet", "exp": int(time.time()) + 172_800}
    return {name: value for name, value in (honest | changes).items() if value is not None}


def token(algorithm: str = "HS256", secret: str = SECRET, **changes: object) -> str:
    return jwt.encode(claims(**changes), secret, algorithm=algorithm)


def unsigned(**header: object) -> str:
    parts = [header, claims()]
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
    return b".".join([*encoded, b""]).decode()


class TestAToken:
    def test_says_who_is_asking_in_which_roles(self) -> None:
        read = read_token(SETTINGS, token(roles=["buyer", "emperor", 7]))

        assert (read.subject, read.roles) == ("ann", frozenset({"buyer"}))

    def test_of_the_sandbox_is_believed(self) -> None:
        issued = issue_sandbox_token(SETTINGS, subject="bob", roles=["organizer"])

        assert read_token(SETTINGS, issued).roles == frozenset({"organizer"})

    @pytest.mark.parametrize(
        "forged",
        [
            pytest.param(token(secret="x" * 40), id="another key"),
            pytest.param(token(algorithm="HS512"), id="another algorithm"),
            pytest.param(unsigned(alg="none", typ="JWT"), id="no algorithm"),
            pytest.param(unsigned(alg="HS256", typ="JWT"), id="no signature"),
            pytest.param(token(exp=int(time.time()) - 1), id="expired"),
            pytest.param(token(exp=None), id="never expires"),
            pytest.param(token(exp="soon"), id="expires at a word"),
            pytest.param(token(nbf=int(time.time()) + 86_400), id="not yet"),
            pytest.param(token(aud="others"), id="for others"),
            pytest.param(token(aud=None), id="for anybody"),
            pytest.param(token(iss="others"), id="by others"),
            pytest.param(token(iss=None), id="by anybody"),
            pytest.param(token(sub=None), id="about nobody"),
            pytest.param(token(sub=""), id="about an empty name"),
            pytest.param(token(sub="a\x00b"), id="about an unstorable name"),
            pytest.param(token(sub="x" * 256), id="about too long a name"),
            pytest.param("", id="empty"),
            pytest.param("a.b.c", id="nonsense"),
            pytest.param("\ud800", id="not even text"),
        ],
    )
    def test_is_not_believed_when_anything_is_wrong(self, forged: str) -> None:
        with pytest.raises(Unauthenticated):
            read_token(SETTINGS, forged)
