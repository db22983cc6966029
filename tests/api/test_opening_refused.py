"""What the doors of before say of a provider that will not open a payment."""

from types import SimpleNamespace
from typing import Any

import pytest

from api import opening
from contracts.errors import ChargeRefused, ProviderUnavailable
from contracts.states import Channel
from tests.api.test_course_answers import NOW, an_order


class TestAPaymentThatIsNotOpened:
    async def test_keeps_the_one_word_that_clients_wait_for(self) -> None:
        async def refuse(*_: object, **__: object) -> None:
            raise ChargeRefused(providerCode="PARAM_ERROR")

        house: Any = SimpleNamespace(
            checkout=SimpleNamespace(prepare=refuse),
            payers=SimpleNamespace(parameters=lambda *_, **__: None, by_wechat=lambda *_: "wechat"),
            settings=SimpleNamespace(payment_provider="wechat"),
        )
        payer: Any = None

        with pytest.raises(ProviderUnavailable):
            await opening._open(  # noqa: SLF001 - the step that every such door takes
                house, an_order(), Channel.WECHAT_NATIVE, payer, NOW
            )
