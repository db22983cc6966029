import asyncio
from datetime import timedelta

import asyncpg
import pytest

from actors.actor import Actor
from contracts.bridge import BridgeGate
from contracts.tokens import TokenKind
from models.bridge import load_gate, set_gate
from models.engine import Database
from models.legacy_fields import empty_legacy_fields
from models.one_time_tokens import mint_token, purge_tokens, redeem_token
from models.people import user_at_first_sight
from models.wechat_identities import (
    bind_openid,
    bind_own_openid,
    openid_of,
    own_openid_of,
    unbind_openid,
)
from tests.storage.stage import keep_legacy_fields, put_on_sale, wish


@pytest.fixture
async def user_id(database: Database) -> int:
    return await user_at_first_sight(database, issuer="tests", subject="somebody")


async def make_orders(database: Database, actor: Actor, count: int) -> list[int]:
    sale = await put_on_sale(database)
    made = [await actor.create(wish(sale, user_id)) for user_id in range(1, count + 1)]
    return [sale.order_id for sale in made if sale.order_id is not None]


async def age(database: Database, order_id: int, days: int) -> None:
    await database.execute(
        "UPDATE orders SET created_at = created_at - $2::interval WHERE id = $1",
        order_id,
        timedelta(days=days),
    )


class TestAnOpenid:
    async def test_is_bound_per_person_and_app(self, database: Database, user_id: int) -> None:
        other_id = await user_at_first_sight(database, issuer="tests", subject="other")
        await bind_openid(database, user_id=user_id, appid="wx1", openid="o1")
        await bind_openid(database, user_id=user_id, appid="wx2", openid="o2")

        assert await openid_of(database, user_id=user_id, appid="wx1") == "o1"
        assert await openid_of(database, user_id=user_id, appid="wx2") == "o2"
        assert await openid_of(database, user_id=other_id, appid="wx1") is None

    async def test_replaces_the_one_before(self, database: Database, user_id: int) -> None:
        for openid in ("before", "after", "after"):
            await bind_openid(database, user_id=user_id, appid="wx1", openid=openid)

        assert await openid_of(database, user_id=user_id, appid="wx1") == "after"

    async def test_can_be_forgotten(self, database: Database, user_id: int) -> None:
        await bind_openid(database, user_id=user_id, appid="wx1", openid="o1")

        for _ in range(2):
            await unbind_openid(database, user_id=user_id, appid="wx1")

        assert await openid_of(database, user_id=user_id, appid="wx1") is None

    async def test_of_the_service_account_is_the_users_own(
        self, database: Database, user_id: int
    ) -> None:
        assert await own_openid_of(database, user_id) is None

        await bind_own_openid(database, user_id=user_id, openid="o3")

        assert await own_openid_of(database, user_id) == "o3"
        assert await openid_of(database, user_id=user_id, appid="wx1") is None

    async def test_is_never_empty(self, database: Database, user_id: int) -> None:
        for appid, openid in (("", "o"), ("wx", "")):
            with pytest.raises(asyncpg.CheckViolationError):
                await bind_openid(database, user_id=user_id, appid=appid, openid=openid)


class TestTheGate:
    async def test_is_nobodys_until_somebody_changes_it(self, database: Database) -> None:
        assert await load_gate(database) is None

    async def test_is_as_it_was_changed_last(self, database: Database) -> None:
        for percent in (0, 40, 25):
            gate = BridgeGate(rollout_percent=percent, min_version="1.3.0")
            await set_gate(database, gate, changed_by=7)

        assert await load_gate(database) == BridgeGate(rollout_percent=25, min_version="1.3.0")

    async def test_remembers_who_changed_it(self, database: Database) -> None:
        for admin in (7, 8):
            await set_gate(database, BridgeGate(), changed_by=admin)

        rows = await database.fetch("SELECT changed_by FROM bridge_gate ORDER BY id")
        assert [row["changed_by"] for row in rows] == [7, 8]

    @pytest.mark.parametrize(
        "gate",
        [
            BridgeGate(rollout_percent=-1),
            BridgeGate(rollout_percent=101),
            BridgeGate(min_version=""),
            BridgeGate(min_version="1.2.0-beta"),
            BridgeGate(min_version="1."),
            BridgeGate(min_version="\uff11.2.0"),
        ],
        ids=str,
    )
    async def test_cannot_be_absurd(self, database: Database, gate: BridgeGate) -> None:
        with pytest.raises(asyncpg.CheckViolationError):
            await set_gate(database, gate, changed_by=1)


class TestLegacyFields:
    async def test_are_removed_from_old_orders_only(self, database: Database, actor: Actor) -> None:
        old, young = await make_orders(database, actor, 2)
        await age(database, old, days=31)
        for order_id in (old, young):
            await keep_legacy_fields(database, order_id)

        assert await empty_legacy_fields(database, older_than_days=30, limit=10) == 1
        assert await empty_legacy_fields(database, older_than_days=30, limit=10) == 0

        rows = await database.fetch("SELECT order_id FROM order_legacy_payment_fields")
        assert [row["order_id"] for row in rows] == [young]

    async def test_are_removed_in_bounded_batches(self, database: Database, actor: Actor) -> None:
        for order_id in await make_orders(database, actor, 5):
            await age(database, order_id, days=31)
            await keep_legacy_fields(database, order_id)

        removed = [
            await empty_legacy_fields(database, older_than_days=30, limit=2) for _ in range(4)
        ]

        assert removed == [2, 2, 1, 0]

    async def test_say_something(self, database: Database, actor: Actor) -> None:
        (order_id,) = await make_orders(database, actor, 1)

        with pytest.raises(asyncpg.CheckViolationError):
            await keep_legacy_fields(database, order_id, code_url=None)


class TestAToken:
    async def test_opens_once_what_it_was_made_for(self, database: Database, actor: Actor) -> None:
        (order_id,) = await make_orders(database, actor, 1)
        minted = await mint_token(
            database, TokenKind.BRIDGE_PAY, user_id=7, order_id=order_id, attempt_no="A1"
        )

        first = await redeem_token(database, TokenKind.BRIDGE_PAY, minted.secret)
        second = await redeem_token(database, TokenKind.BRIDGE_PAY, minted.secret)

        assert first is not None
        assert (first.user_id, first.order_id, first.attempt_no) == (7, order_id, "A1")
        assert second is None

    async def test_opens_once_for_fifty_at_once(self, database: Database) -> None:
        minted = await mint_token(database, TokenKind.MINI_BIND, user_id=7)

        opened = await asyncio.gather(
            *(redeem_token(database, TokenKind.MINI_BIND, minted.secret) for _ in range(50))
        )

        assert len([token for token in opened if token is not None]) == 1

    async def test_opens_nothing_of_another_kind(self, database: Database) -> None:
        minted = await mint_token(database, TokenKind.MINI_BIND, user_id=7)

        assert await redeem_token(database, TokenKind.OAUTH_STATE, minted.secret) is None
        assert await redeem_token(database, TokenKind.MINI_BIND, minted.secret) is not None

    async def test_of_somebody_else_is_left_alone(self, database: Database) -> None:
        minted = await mint_token(database, TokenKind.OAUTH_STATE, user_id=7)
        kind = TokenKind.OAUTH_STATE

        assert await redeem_token(database, kind, minted.secret, user_id=8) is None
        assert await redeem_token(database, kind, minted.secret, user_id=7) is not None

    @pytest.mark.parametrize(
        ("kind", "seconds", "digits"),
        [
            (TokenKind.BRIDGE_PAY, 60, 32),
            (TokenKind.MINI_BIND, 300, 48),
            (TokenKind.OAUTH_STATE, 600, 32),
        ],
    )
    async def test_lives_as_long_as_its_kind(
        self, database: Database, actor: Actor, kind: TokenKind, seconds: int, digits: int
    ) -> None:
        whose: dict[str, object] = {}
        if kind is TokenKind.BRIDGE_PAY:
            (order_id,) = await make_orders(database, actor, 1)
            whose = {"order_id": order_id, "attempt_no": "A1"}
        minted = await mint_token(database, kind, user_id=7, **whose)  # type: ignore[arg-type]
        life = await database.fetchval("SELECT expires_at - created_at FROM one_time_tokens")
        await database.execute(
            "UPDATE one_time_tokens SET created_at = created_at - $1::interval,"
            " expires_at = expires_at - $1::interval",
            timedelta(seconds=seconds),
        )

        assert len(minted.secret) == digits
        assert life == timedelta(seconds=seconds)
        assert await redeem_token(database, kind, minted.secret) is None

    async def test_is_kept_as_its_hash_only(self, database: Database) -> None:
        minted = await mint_token(database, TokenKind.MINI_BIND, user_id=7)

        row = await database.fetchval("SELECT one_time_tokens::text FROM one_time_tokens")
        assert minted.secret not in row

    async def test_is_removed_when_its_time_is_over(self, database: Database) -> None:
        for _ in range(3):
            await mint_token(database, TokenKind.MINI_BIND, user_id=7)
        await database.execute(
            """UPDATE one_time_tokens SET created_at = created_at - interval '1 h',
                 expires_at = expires_at - interval '1 h' WHERE id <= 2"""
        )

        removed = [await purge_tokens(database, limit=1) for _ in range(3)]

        assert removed == [1, 1, 0]
        assert await database.fetchval("SELECT count(*) FROM one_time_tokens") == 1

    async def test_of_the_bridge_names_its_attempt(self, database: Database) -> None:
        with pytest.raises(asyncpg.CheckViolationError):
            await mint_token(database, TokenKind.BRIDGE_PAY, user_id=7)
