"""A provider that is there, and who we are to it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec

from actors.payers import Merchant
from providers.provider import Provider


class Till(msgspec.Struct, frozen=True, kw_only=True):
    """Where money comes in.

    While what *running* makes is entered, the provider can be called. *can_verify* says whether its
    notices can be checked; None where keys are never fetched, so they always can.
    """

    provider: Provider
    merchant: Merchant
    running: Callable[[], AbstractAsyncContextManager[object]]
    can_verify: Callable[[], bool] | None = None
