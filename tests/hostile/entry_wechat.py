"""WeChat Pay in the campaign."""

import random

from contracts.states import Channel
from tests.hostile import mutants_outside, mutants_unreadable, mutants_untrue
from tests.hostile.entry import Entry
from tests.hostile.mutants import Family
from tests.hostile.notices import Forge
from tests.providers.signing import API_V3_KEY, Platform, new_key, private_pem, public_pem

MERCHANT = ("1900000001", "wx0000000000000001")
# Fourteen checks with two shares each and four lesser ones with one: 6.2 % for every check.
FAMILIES: dict[str, Family] = {
    "shape": mutants_outside.shape,
    "SIGNTEST": mutants_outside.probe,
    "staleness": mutants_outside.stale,
    "serial": mutants_outside.serial,
    "signature": mutants_outside.signature,
    "store": mutants_outside.stored,
    "envelope": mutants_unreadable.envelope,
    "seal": mutants_unreadable.seal,
    "plaintext": mutants_unreadable.plaintext,
    "merchant": mutants_untrue.merchant,
    "appid": mutants_untrue.appid,
    "order": mutants_untrue.order,
    "amount": mutants_untrue.amount,
    "currency": mutants_untrue.currency,
    "encoding": mutants_outside.encoding,
    "known payment": mutants_untrue.known,
    "not money": mutants_untrue.no_money,
    "refund": mutants_untrue.refund,
}
SELDOM = frozenset({"encoding", "known payment", "not money", "refund"})


def wechat() -> Entry:
    """Set WeChat Pay up with keys of its own."""
    key = Platform()

    def pen(dice: random.Random) -> Forge:
        return Forge(key.key, dice)

    return Entry(
        provider="wechat",
        path="/api/webhooks/wechatpay",
        channel=Channel.WECHAT_NATIVE,
        merchant=MERCHANT,
        families=FAMILIES,
        seldom=SELDOM,
        taken=frozenset({204}),
        refused=401,
        pen=pen,
        environ=environ_of(key),
    )


def environ_of(key: Platform) -> dict[str, str]:
    """Name the settings, and nobody who listens: no notice may need the platform."""
    merchant_id, appid = MERCHANT
    return {
        "WECHAT_PAY_GATEWAY": "http://127.0.0.1:1",
        "WECHAT_PAY_MCH_ID": merchant_id,
        "WECHAT_SERVICE_ACCOUNT_APP_ID": appid,
        "WECHAT_PAY_PRIVATE_KEY": private_pem(new_key()),
        "WECHAT_PAY_SERIAL_NO": "3775B6A45ACD588826D15E583A95F5DD00000001",
        "WECHAT_PAY_API_V3_KEY": API_V3_KEY,
        "WECHAT_PAY_PLATFORM_PUBLIC_KEY": public_pem(key.key),
        "WECHAT_PAY_PLATFORM_PUBLIC_KEY_ID": key.serial,
    }
