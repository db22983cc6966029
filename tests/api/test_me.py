"""Who somebody is to us, and where mail reaches them."""

import secrets
import time

import jwt
import pytest

from api.tokens import read_token
from models.engine import Database
from models.people import user_at_first_sight
from runtime.settings import Settings
from tests.api.service import JWT_SECRET, Buyer, Service
from tests.api.test_doors import is_problem

SETTINGS = Settings(database_url="", jwt_secret=JWT_SECRET)


def token(subject: str, **claims: object) -> str:
    honest = {"sub": subject, "iss": "guichet", "aud": "guichet", "exp": int(time.time()) + 60}
    return jwt.encode(honest | claims, JWT_SECRET, algorithm="HS256")


class TestATokensWords:
    @pytest.mark.parametrize(
        ("said", "understood"),
        [
            ("ann@example.org", "ann@example.org"),
            ("a.b+c@mail.example.cn", "a.b+c@mail.example.cn"),
            ("ann", None),
            ("ann@localhost", None),
            ("ann@example.org\n", None),
            ("ann@example.org\r\nBcc: eve@example.org", None),
            ("ann@example.org, eve@example.org", None),
            ("Ann <ann@example.org>", None),
            ("a..b@example.org", None),
            ("安@example.org", None),
            ("a" * 250 + "@b.cn", None),
            (7, None),
            (None, None),
        ],
    )
    def test_are_an_address_only_in_the_shape_of_one(
        self, said: object, understood: str | None
    ) -> None:
        assert read_token(SETTINGS, token("ann", email=said)).email == understood

    @pytest.mark.parametrize(
        ("said", "understood"),
        [
            *(("zh-CN", "zh-CN"), ("zh_TW", "zh-CN"), ("ZH", "zh-CN"), ("en", "en")),
            *(("en-GB", "en"), ("fr", None), ("english", None), ("", None), (1, None)),
        ],
    )
    def test_are_a_language_by_its_first_part(self, said: object, understood: str | None) -> None:
        assert read_token(SETTINGS, token("ann", locale=said)).locale == understood


class TestAPerson:
    def test_of_the_sandbox_has_an_address_nobody_has(self, buyer: Buyer) -> None:
        me = buyer.http.get("/api/me").json()

        slug = buyer.name.replace(" ", "-")
        assert me == buyer.user | {
            "email": f"{slug}.{me['id']}@guichet.test",
            "locale": None,
            "state": "registered",
        }

    def test_of_the_sandbox_with_a_name_of_no_letters_has_one_too(self, service: Service) -> None:
        with service.client() as http:
            name = f"游客 {secrets.randbelow(10**9)}…"
            login = http.post("/api/auth/sandbox-login", json={"name": name}).json()
            http.headers["Authorization"] = f"Bearer {login['token']}"
            me = http.get("/api/me").json()

        number = name.partition(" ")[2].rstrip("…")
        assert me["email"] == f"{number}.{me['id']}@guichet.test"

    def test_says_where_mail_goes_and_in_which_language(self, buyer: Buyer) -> None:
        first = buyer.http.put("/api/me", json={"email": "ann@example.org"})
        second = buyer.http.put("/api/me", json={"locale": "en"})
        third = buyer.http.put("/api/me", json={"email": None})

        assert (first.status_code, first.json()["email"]) == (200, "ann@example.org")
        assert (second.json()["email"], second.json()["locale"]) == ("ann@example.org", "en")
        assert (third.json()["email"], third.json()["locale"]) == (None, "en")
        assert buyer.http.get("/api/me").json() == third.json()

    def test_keeps_an_address_of_their_own_at_the_next_login(
        self, service: Service, buyer: Buyer
    ) -> None:
        buyer.http.put("/api/me", json={"email": "ann@example.org"})
        with service.client() as http:
            http.post("/api/auth/sandbox-login", json={"name": buyer.name})

        assert buyer.http.get("/api/me").json()["email"] == "ann@example.org"

    def test_is_reached_where_their_sign_in_says(self, service: Service) -> None:
        subject = secrets.token_hex(8)
        told = {"email": f"{subject}@example.org", "locale": "en-US"}
        with service.client(Authorization=f"Bearer {token(subject, **told)}") as http:
            me = http.get("/api/me").json()
            kept = http.put("/api/me", json={"email": "eve@example.org"})
            fixed = http.put("/api/me", json={"locale": None})

        assert (me["email"], me["locale"]) == (told["email"], "en")
        assert is_problem(kept, 409, "KNOWN_FROM_SIGN_IN")
        assert kept.json()["fields"] == ["email"]
        assert is_problem(fixed, 409, "KNOWN_FROM_SIGN_IN")
        with service.client(Authorization=f"Bearer {token(subject, email='new@b.cn')}") as http:
            me = http.get("/api/me").json()
        assert (me["email"], me["locale"]) == ("new@b.cn", "en")

    async def test_is_not_written_again_when_nothing_is_new(self, database: Database) -> None:
        async def see(email: str | None) -> tuple[int, str]:
            user_id = await user_at_first_sight(
                database, issuer="test_me", subject="ann", email=email
            )
            row = await database.fetchrow(
                "SELECT email, xmin::text FROM users WHERE id = $1", user_id
            )
            assert row is not None
            assert row["email"] == "ann@example.org"
            return user_id, row["xmin"]

        first = await see("ann@example.org")

        assert await see("ann@example.org") == first
        assert await see(None) == first

    @pytest.mark.parametrize(
        "body",
        [
            {"email": ""},
            {"email": "ann"},
            {"email": 1},
            {"email": "ann@example.org\n"},
            {"email": "a@b.cn, c@d.cn"},
            {"email": "a" * 250 + "@b.cn"},
            {"locale": "fr"},
            {"locale": "zh"},
            {"locale": 1},
            {"name": "Eve"},
            {"email": "ann@example.org", "openid": "o"},
            [],
        ],
    )
    def test_is_changed_by_nothing_that_is_not_well_formed(
        self, buyer: Buyer, body: object
    ) -> None:
        before = buyer.http.get("/api/me").json()

        assert is_problem(buyer.http.put("/api/me", json=body), 400, "INVALID_REQUEST")
        assert buyer.http.get("/api/me").json() == before

    def test_is_shown_to_nobody_without_a_token(self, service: Service) -> None:
        with service.client() as stranger:
            assert is_problem(stranger.get("/api/me"), 401, "UNAUTHENTICATED")
            assert is_problem(stranger.put("/api/me", json={}), 401, "UNAUTHENTICATED")
