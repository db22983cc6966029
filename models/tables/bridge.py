"""Who may use the Mini Program bridge, and what is given out once."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from contracts.bridge import BRIDGE_VERSION_PATTERN
from contracts.tokens import TokenKind
from models.tables.columns import big, instant, number, one_of, parent, stamped, word
from models.tables.orders import Orders


class BridgeGate(Table, tablename="bridge_gate"):
    """How far the bridge is rolled out; the newest row counts, the others say who changed what."""

    id = BigSerial(primary_key=True)
    rollout_percent = number()
    min_version = word(32)
    changed_by = big()
    changed_at = stamped()

    bridge_gate_percent_check = Check("rollout_percent BETWEEN 0 AND 100")
    bridge_gate_version_check = Check(f"min_version ~ '{BRIDGE_VERSION_PATTERN}'")


class OneTimeTokens(Table, tablename="one_time_tokens"):
    """A secret that opens one thing once; only its hash is kept."""

    id = BigSerial(primary_key=True)
    kind = word(16)
    token_hash = word(64)
    user_id = big()
    order_id = parent(Orders, null=True)
    attempt_no = word(20, null=True)
    expires_at = instant()
    used_at = instant(null=True)
    created_at = stamped()

    one_time_tokens_token_hash_key = Unique([token_hash])
    one_time_tokens_kind_check = one_of("kind", TokenKind)
    one_time_tokens_hash_check = Check("token_hash ~ '^[0-9a-f]{64}$'")
    one_time_tokens_life_check = Check("expires_at > created_at")
    one_time_tokens_attempt_check = Check(
        "(kind = 'bridge_pay') = (order_id IS NOT NULL)"
        " AND (kind = 'bridge_pay') = (attempt_no IS NOT NULL)"
    )
