"""Which providers are paid through."""

from dataclasses import dataclass
from typing import Annotated, Final

from runtime.groups.house import HouseSettings
from runtime.registry import about

PROVIDERS: Final = ("wechat", "alipay", "stripe", "pingxx", "mock")


@dataclass(frozen=True, kw_only=True, repr=False)
class PaymentSettings(HouseSettings):
    """Which providers take money, and whose word about it counts."""

    payment_provider: Annotated[
        str,
        about(
            "payment",
            "Provider of new orders: wechat, alipay, stripe or pingxx, or in the sandbox mock.",
        ),
    ] = "wechat"
    payment_channels_enabled: Annotated[
        tuple[str, ...],
        about(
            "payment",
            "Providers that a buyer may name at /api/order/reqiure-to-pay, comma separated; each"
            " must have all it needs. Unset: every one that has, sandbox"
            f" {','.join(PROVIDERS)}.",
        ),
    ] = ()
    payments_webhook_only: Annotated[
        bool,
        about("payment", "Answers to confirm and refund wait for no provider's word; 0: they do."),
    ] = True
    payment_webhook_secret: Annotated[
        str | None,
        about(
            "payment",
            "Key of events at /payments/webhook, whsec_ and base64 or as it is, 24 bytes or more;"
            " two separated by a comma while one replaces the other; unset: none are taken.",
            secret=True,
            needed_by="mock",
        ),
    ] = None

    @property
    def webhook_url(self) -> str:
        """Where providers send normalized events."""
        return f"{self.app_url}/payments/webhook"
