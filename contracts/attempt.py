"""What one attempt asks of a provider, and what the provider hands back."""

from datetime import datetime
from typing import TypeAlias

import msgspec

from contracts.money import Money
from contracts.states import Channel


class Confirmation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which intent an attempt confirms, and by which key; *simulate* tells a mock what to do."""

    order_id: int
    intent_id: int
    idempotency_key: str
    simulate: str | None = None


class AttemptRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything a provider is told when an attempt opens.

    Stored with the attempt before the call, so that after a crash the same number is opened
    with the same words: providers refuse a known number with other parameters. The payer's browser
    comes back to *return_url*, or to *cancel_url* without having paid.
    """

    attempt_no: str
    provider: str
    channel: Channel
    merchant_id: str
    appid: str
    amount: Money
    description: str
    payable_until: datetime
    notify_url: str
    openid: str | None = None
    confirmation: Confirmation | None = None
    return_url: str | None = None
    cancel_url: str | None = None


class SignedCall(msgspec.Struct, frozen=True, kw_only=True, tag="signed_call"):
    """The payer's app calls its own payment window with these words; every one is needed."""

    app_id: str
    time_stamp: str
    nonce_str: str
    package: str
    sign_type: str
    pay_sign: str


class Opened(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the payer needs to pay an open attempt; which field is set follows the channel.

    *reference* is the provider's own number of it, where it has one already: a normalized event
    under another number is held. Without *needs_payer* the provider goes on by itself and nobody
    has to do anything. *is_declined* says that a try of the payer's failed and another may follow.
    """

    code_url: str | None = None
    prepay_id: str | None = None
    reference: str | None = None
    needs_payer: bool = True
    is_declined: bool = False
    redirect_url: str | None = None
    client_secret: str | None = None
    signed_call: SignedCall | None = None


class CodeToScan(msgspec.Struct, frozen=True, kw_only=True, tag="code_to_scan"):
    """The payer scans a code that shows this."""

    code_url: str


class Redirect(msgspec.Struct, frozen=True, kw_only=True, tag="redirect"):
    """The payer goes on at this address."""

    url: str


class ClientSecret(msgspec.Struct, frozen=True, kw_only=True, tag="client_secret"):
    """The payer's page shows the provider's own form, opened by this; nobody else may see it."""

    client_secret: str


PayerParameters: TypeAlias = CodeToScan | SignedCall | Redirect | ClientSecret


class RefundRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a provider is told when money goes back; *provider_txn_id* names the payment."""

    refund_no: str
    attempt_no: str
    provider: str
    provider_txn_id: str
    amount: Money
    paid: Money
    reason: str
    notify_url: str


class BilledRefund(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a refund that a provider's bill or word names, whoever asked for it."""

    attempt_no: str
    refund_no: str
    provider_txn_id: str | None = None
