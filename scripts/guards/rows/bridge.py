"""What keeps the Mini Program bridge."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import API, STORAGE

_TOKENS = "models/one_time_tokens.py"

BRIDGE = (
    Guard(
        "tokens.once",
        "a token opens one thing once",
        _TOKENS,
        " AND used_at IS NULL AND",
        " AND",
        f"{STORAGE}bridge_tables.py::TestAToken::test_opens_once_for_fifty_at_once",
    ),
    Guard(
        "tokens.time",
        "a token opens nothing after its time",
        _TOKENS,
        " AND expires_at > now()",
        "",
        f"{API}bridge.py::TestATicket::test_opens_nothing_after_a_minute",
    ),
    Guard(
        "tokens.kind",
        "a token opens nothing of another kind",
        _TOKENS,
        "token_hash = $1 AND kind = $2",
        "token_hash = $1 AND $2::text IS NOT NULL",
        f"{API}binding.py::TestABindToken::test_is_no_other_thing",
    ),
    Guard(
        "tokens.whose",
        "a way back is only for who set out",
        "actors/bindings.py",
        "state, user_id=user_id",
        "state",
        f"{API}binding.py::TestAState::test_is_only_for_who_set_out",
    ),
    Guard(
        "tokens.hash",
        "of a token only the hash is kept",
        _TOKENS,
        "return hashlib.sha256(secret.encode()).hexdigest()",
        'return hashlib.sha256(b"").hexdigest()[: 64 - len(secret)] + secret',
        f"{STORAGE}bridge_tables.py::TestAToken::test_is_kept_as_its_hash_only",
    ),
    Guard(
        "tickets.payer",
        "only the account whose payment was prepared is handed it",
        "actors/tickets.py",
        "if attempt is None or not _is_whose(attempt, payer):",
        "if attempt is None:",
        f"{API}bridge.py::TestATicket::test_is_used_up_by_another_account",
    ),
    Guard(
        "tickets.rollout",
        "no ticket is made while the bridge is switched off",
        "actors/tickets.py",
        "        refuse_unless_rolled_out(await self._gatekeeper.current(), order.user_id)\n",
        "",
        f"{API}bridge.py::TestATicket::test_is_not_made_while_the_bridge_is_switched_off",
    ),
    Guard(
        "tickets.attempt",
        "a ticket is for the attempt that was open",
        "actors/tickets.py",
        "        raise errors.InvalidState(_NOT_PREPARED)\n    return attempt",
        "        pass\n    assert attempt\n    return attempt",
        f"{API}bridge.py::TestATicket::test_needs_a_payment_that_is_prepared_for_the_bridge",
    ),
    Guard(
        "reports.whose",
        "nobody reports about somebody else's order",
        "models/bridge.py",
        "order_no = $1 AND user_id = $2",
        "order_no = $1 AND $2::bigint > 0",
        f"{API}bridge.py::TestAReport::test_of_somebody_elses_order_is_not_found",
    ),
    Guard(
        "reports.words",
        "a report's code is one of a closed list",
        "contracts/bridge.py",
        "    return err_code if err_code is not None and err_code in _ERRORS else _OTHER",
        "    return err_code or _OTHER",
        f"{API}bridge.py::TestAReport::test_is_counted_by_channel_and_code",
    ),
    Guard(
        "gate.admin",
        "only an admin changes who may use the bridge",
        "api/bridge.py",
        '@put("/api/admin/bridge", opt=role("admin"),',
        '@put("/api/admin/bridge",',
        f"{API}bridge.py::TestTheGate::test_is_nobody_elses",
    ),
    Guard(
        "cleanup.window",
        "older clients keep what they pay with while it may be paid",
        "models/legacy_fields.py",
        "  AND orders.created_at < now() - $2::interval",
        "  AND $2::interval > interval '0'",
        f"{STORAGE}bridge_tables.py::TestLegacyFields::test_are_removed_from_old_orders_only",
    ),
    Guard(
        "cleanup.batch",
        "a cleanup takes no more rows at once than it was told",
        "models/legacy_fields.py",
        "ORDER BY order_id LIMIT $1",
        "ORDER BY order_id LIMIT $1 + 9",
        f"{STORAGE}bridge_tables.py::TestLegacyFields::test_are_removed_in_bounded_batches",
    ),
)
