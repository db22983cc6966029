"""The idempotency rules of the payments document, as the database keeps them."""

import pytest

from models.engine import Database

_UNIQUE = """
SELECT array_agg(a.attname::text ORDER BY k.n) AS columns
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k(attnum, n)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = $1::regclass AND i.indisunique
GROUP BY i.indexrelid
"""


class TestTheIdempotencyRules:
    @pytest.mark.parametrize(
        ("table", "columns"),
        [
            ("payment_intents", ["order_id", "idempotency_key"]),
            ("payment_attempts", ["intent_id", "idempotency_key"]),
            ("refunds", ["order_id", "idempotency_key"]),
            ("webhook_events", ["provider", "event_id"]),
        ],
    )
    async def test_are_unique_rules_of_the_database(
        self, database: Database, table: str, columns: list[str]
    ) -> None:
        rules = [row["columns"] for row in await database.fetch(_UNIQUE, table)]

        assert columns in rules
