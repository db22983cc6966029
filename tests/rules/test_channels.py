from time import process_time
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.channels import choose_channel, is_at_least, is_rolled_out, visit_of
from actors.payers import payer_at
from contracts.bridge import BridgeGate
from contracts.channels import Environment, Payer, Visit
from contracts.errors import MiniProgramBridgeRequired
from contracts.states import Channel

USER = 7
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0"
WECHAT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) AppleWebKit/605.1.15 MicroMessenger/8.0.50"
SHELL = f"{WECHAT} miniProgram/wx2222222222222222"
OPEN_GATE = BridgeGate(rollout_percent=100, min_version="1.2.0")


class TestTheEnvironment:
    @pytest.mark.parametrize(
        ("claimed", "user_agent", "environment"),
        [
            (None, CHROME, Environment.NONE),
            (None, WECHAT, Environment.WECHAT),
            (None, SHELL, Environment.MINIPROGRAM),
            (None, SHELL.upper(), Environment.MINIPROGRAM),
            (None, "", Environment.NONE),
            (None, "miniProgram without its messenger", Environment.NONE),
            ("wechat", CHROME, Environment.WECHAT),
            ("none", WECHAT, Environment.NONE),
            ("miniprogram", CHROME, Environment.MINIPROGRAM),
            ("MiniProgram", CHROME, Environment.NONE),
            ("browser", WECHAT, Environment.WECHAT),
            ("", WECHAT, Environment.WECHAT),
            ("none", SHELL, Environment.MINIPROGRAM),
            ("wechat", SHELL, Environment.MINIPROGRAM),
            ("none", "x" * 300 + SHELL, Environment.MINIPROGRAM),
        ],
    )
    def test_is_the_clients_word_unless_a_mini_program_shows_itself(
        self, claimed: str | None, user_agent: str, environment: Environment
    ) -> None:
        assert visit_of(claimed=claimed, user_agent=user_agent).environment is environment


class TestAVersion:
    @pytest.mark.parametrize(
        "version", ["1.2.0", "1.2", "1.2.0.0", "1.2.1", "1.10.0", "1.3.0-beta", "2", "01.02.0"]
    )
    def test_is_high_enough(self, version: str) -> None:
        assert is_at_least(version, "1.2.0")

    @pytest.mark.parametrize(
        "version",
        [
            *("", "1", "1.1.9", "1.1.99999", "0.9", "1.2.0-beta", "1.2.0.", "v1.2.0", "latest"),
            *(
                "999999999999999999999",
                "9" * 5000,
                "\uff11.\uff12.\uff10",
                "\u0662.\u0660",
                "\u00b2",
                "-1.2.0",
                "+2",
                "2_0",
            ),
            *(" 1.2.0", "1. 2.0", "1.2.0\n", ".", "....", "1e9", "0x2", "\x00", "nan", "null"),
        ],
    )
    def test_is_too_low_or_proves_nothing(self, version: str) -> None:
        assert not is_at_least(version, "1.2.0")

    def test_costs_no_time_however_long_it_is(self) -> None:
        started = process_time()
        for text in ("9" * 10**6, "." * 10**6, "1." * 10**6):
            is_at_least(text, "1.2.0")

        assert process_time() - started < 0.5

    @given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5), st.integers(0, 9))
    def test_is_at_least_itself_and_less_than_the_next(self, parts: list[int], n: int) -> None:
        at = n % len(parts)
        higher = [*parts[:at], parts[at] + 1, *parts[at + 1 :]]
        version, next_one = (".".join(map(str, some)) for some in (parts, higher))

        assert is_at_least(version, version)
        assert is_at_least(next_one, version)
        assert not is_at_least(version, next_one)


class TestTheRollout:
    @given(st.integers(1, 2**53), st.integers(0, 99))
    def test_only_ever_adds_users(self, user_id: int, percent: int) -> None:
        assert not is_rolled_out(user_id, 0)
        assert is_rolled_out(user_id, 100)
        assert is_rolled_out(user_id, percent) <= is_rolled_out(user_id, percent + 1)

    def test_lets_in_about_as_many_as_it_says(self) -> None:
        users = [is_rolled_out(user_id, 25) for user_id in range(1, 10_001)]

        assert 2_300 < sum(users) < 2_700

    def test_answers_one_user_the_same_way_in_every_release(self) -> None:
        """Another rule would throw out users who were in."""
        assert [user for user in range(1, 101) if is_rolled_out(user, 5)] == FIRST_FIVE_PERCENT


class TestAPayerInAMiniProgram:
    @pytest.mark.parametrize(
        ("changes", "gate"),
        [
            ({"bridge_supported": False}, OPEN_GATE),
            ({"bridge_version": "1.1.9"}, OPEN_GATE),
            ({"bridge_version": ""}, OPEN_GATE),
            ({}, BridgeGate(rollout_percent=0, min_version="1.2.0")),
            ({}, BridgeGate(rollout_percent=100, min_version="1.2.1")),
        ],
    )
    def test_is_told_what_to_get_when_the_bridge_cannot_pay(
        self, changes: dict[str, object], gate: BridgeGate
    ) -> None:
        fields: dict[str, object] = {"bridge_supported": True, "bridge_version": "1.2.0"}
        visit = Visit(environment=Environment.MINIPROGRAM, **(fields | changes))  # type: ignore[arg-type]

        with pytest.raises(MiniProgramBridgeRequired) as refused:
            choose_channel(visit, gate, USER)

        assert refused.value.extra == {
            "requiresUpgrade": True,
            "minBridgeVersion": gate.min_version,
        }

    def test_pays_over_the_bridge_from_its_least_version_on(self) -> None:
        visit = Visit(
            environment=Environment.MINIPROGRAM, bridge_supported=True, bridge_version="1.2.0"
        )

        assert choose_channel(visit, OPEN_GATE, USER) is Channel.MINIPROGRAM_BRIDGE


class Context(NamedTuple):
    """Everything the choice could look at."""

    claimed: str | None
    user_agent: str
    supported: bool | None
    version: str | None
    percent: int
    user_id: int
    openid: str | None


CONTEXTS = st.builds(
    Context,
    claimed=st.sampled_from([None, "miniprogram", "wechat", "none", "MINIPROGRAM", "", "ios"]),
    user_agent=st.sampled_from([CHROME, WECHAT, SHELL, SHELL.upper(), "miniProgram", ""])
    | st.text(max_size=300).map(lambda noise: f"{noise} MicroMessenger {noise} miniProgram")
    | st.text(max_size=300),
    supported=st.sampled_from([True, False, None]),
    version=st.sampled_from([None, "", "1.1.9", "1.2.0", "1.10", "1.2.0-beta", "9" * 30])
    | st.text(max_size=64),
    percent=st.integers(0, 100),
    user_id=st.integers(1, 2**53 - 1),
    openid=st.sampled_from([None, "o1"]),
)


class TestTheChoice:
    """The table of precedence, said a second time in other words."""

    @given(CONTEXTS)
    def test_follows_the_table_and_never_leads_out_of_a_mini_program(
        self, context: Context
    ) -> None:
        gate = BridgeGate(rollout_percent=context.percent, min_version="1.2.0")
        agent = context.user_agent.lower()
        shows_shell = "micromessenger" in agent and "miniprogram" in agent
        is_known = context.claimed in ("miniprogram", "wechat", "none")
        is_shell = shows_shell or context.claimed == "miniprogram"
        is_wechat = context.claimed == "wechat" if is_known else "micromessenger" in agent

        chosen = self.choice(context, gate)

        if is_shell:
            lets_in = (
                context.supported is True
                and is_at_least(context.version or "", "1.2.0")
                and is_rolled_out(context.user_id, context.percent)
            )
            assert chosen == (Channel.MINIPROGRAM_BRIDGE if lets_in else None)
        else:
            assert chosen == (Channel.WECHAT_JSAPI if is_wechat else Channel.WECHAT_NATIVE)

    @given(CONTEXTS)
    def test_stays_what_it_is_when_nobody_knows_the_payer(self, context: Context) -> None:
        gate = BridgeGate(rollout_percent=context.percent, min_version="1.2.0")
        chosen = self.choice(context, gate)
        if chosen is None:
            return
        payer = payer_at("wx1", chosen, context.openid)

        if chosen is Channel.WECHAT_NATIVE:
            assert payer == Payer(appid="wx1")
        else:
            # Without an openid nothing is opened: there is no third way.
            assert payer == (context.openid and Payer(appid="wx1", openid=context.openid))

    @given(CONTEXTS)
    def test_is_the_same_every_time(self, context: Context) -> None:
        gate = BridgeGate(rollout_percent=context.percent, min_version="1.2.0")

        assert self.choice(context, gate) == self.choice(context, gate)

    @staticmethod
    def choice(context: Context, gate: BridgeGate) -> Channel | None:
        visit = visit_of(
            claimed=context.claimed,
            user_agent=context.user_agent,
            bridge_supported=context.supported,
            bridge_version=context.version,
        )
        try:
            return choose_channel(visit, gate, context.user_id)
        except MiniProgramBridgeRequired:
            return None


FIRST_FIVE_PERCENT = [14, 23, 42, 58, 78]
