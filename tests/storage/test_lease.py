from redis.asyncio import Redis

from actors.lease import LEASE_MS, Leases

ORDER = 987_654_321
KEY = f"guichet:{{lease}}:{ORDER}"


class TestALease:
    async def test_is_had_by_one_process(self, redis: Redis) -> None:
        mine, theirs = Leases(redis), Leases(redis)

        assert await mine.acquire([ORDER]) == {ORDER}
        assert await theirs.acquire([ORDER]) == set()

        await mine.release([ORDER])
        assert await theirs.acquire([ORDER]) == {ORDER}
        await theirs.release([ORDER])

    async def test_runs_out_by_itself(self, redis: Redis) -> None:
        leases = Leases(redis)
        await leases.acquire([ORDER])

        left_ms = await redis.pttl(KEY)

        await leases.release([ORDER])
        assert 0 < left_ms <= LEASE_MS

    async def test_is_given_back_by_its_owner_only(self, redis: Redis) -> None:
        late, next_one = Leases(redis), Leases(redis)
        await late.acquire([ORDER])
        # It ran out, and another process has it now.
        await redis.delete(KEY)
        await next_one.acquire([ORDER])

        await late.release([ORDER])

        assert await redis.get(KEY) is not None
        await next_one.release([ORDER])
