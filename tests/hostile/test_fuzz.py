"""Ten thousand notices with one thing wrong; and that the campaign notices a missing check."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.hostile.campaign import BATCH, ENTRIES
from tests.hostile.fuzz import MEMORY_GROWTH_MAX_KIB
from tests.journeys.service import ROOT

# On a machine with much else to do a campaign takes minutes.
pytestmark = pytest.mark.timeout(400)

# A campaign of its own process has memory of its own to measure.
_RUN = "import sys; from tests.hostile import fuzz; sys.exit(fuzz.main(sys.argv[1:]))"


def run(code: str, count: int, dsn: str, *options: object) -> "subprocess.CompletedProcess[str]":
    environ = {k: v for k, v in os.environ.items() if k != "PROMETHEUS_MULTIPROC_DIR"}
    told = ["--count", count, "--dsn", dsn, "--json", *options]
    command = [sys.executable, "-c", code, *map(str, told)]
    return subprocess.run(  # noqa: S603  # ours
        command, cwd=ROOT, env=environ, check=False, capture_output=True, text=True
    )


def report_of(output: str) -> dict[str, Any]:
    return dict(json.loads(output.splitlines()[-1]))


class TestANoticeWithOneThingWrong:
    def test_moves_nothing_and_stops_at_the_check_meant_for_it(self, database_url: str) -> None:
        count = 10_000
        ended = run(_RUN, count, database_url)

        assert ended.returncode == 0, ended.stdout + ended.stderr
        report = report_of(ended.stdout)
        assert report["faults"] == []
        assert report["sent"] == count
        assert report["memory_growth_kib"] < MEMORY_GROWTH_MAX_KIB
        for entry in (make() for make in ENTRIES):
            assert report["providers"][entry.provider] >= count // len(ENTRIES) - BATCH
            sent_minimum = report["providers"][entry.provider] / 20
            for name in entry.families.keys() - entry.seldom:
                found = report["families"].get(f"{entry.provider}: {name}", 0)
                assert found >= sent_minimum, (entry.provider, name)
            for reason in ("malformed", "stale", "bad_signature"):
                counted = report["ends"][f"{entry.provider}: door:{reason}"]
                assert counted >= sent_minimum, (entry.provider, reason)


_WITHOUT_MERCHANT = (
    "from actors import decide_payment as d; judged = d.contradiction_of;"
    "d.contradiction_of = lambda r, f: None if (found := judged(r, f)) == 'merchant' else found"
)
# A row that begins with a provider's name is tried with a batch of that provider's notices.
_SABOTAGE = {
    "freshness": "from providers.wechat import signature; signature.FRESH_SECONDS = 10**15",
    "serial": (
        "from providers.wechat.signature import KeyRing;"
        "KeyRing.find = lambda self, serial: next(iter(self._keys.values()))"
    ),
    "signature": "from providers.wechat import signature; signature._verify = lambda *_: None",
    "alphabet": (
        "import re; from providers.wechat import signature;"
        "signature._SHAPES = {n: re.compile('(?s:.*)') for n in signature._SHAPES}"
    ),
    "merchant": _WITHOUT_MERCHANT,
    "amount": (
        "from actors import decide_payment as d; judged = d.contradiction_of;"
        "d.contradiction_of = lambda r, f: None if (found := judged(r, f)) == 'amount' else found"
    ),
    "twins": "from providers.wechat import notice; notice._without_twins = lambda pairs: None",
    "paid states": (
        "from providers.wechat import notice;"
        "notice.PAID_STATES = notice.PAID_STATES | {'NOTPAY', 'CLOSED', 'PAYERROR', ''}"
    ),
    "memory": (
        "from api import notices; kept = []; count = notices.count;"
        "notices.count = lambda *about: (kept.append(bytes(200_000)), count(*about))"
    ),
    "stripe: freshness": (
        "from providers.stripe import signature; signature.TOLERANCE_SECONDS = 10**15"
    ),
    "stripe: signature": (
        "from providers.stripe import signature; signature._is_by = lambda *_: True"
    ),
    "stripe: merchant": _WITHOUT_MERCHANT,
    "pingxx: freshness": (
        "from providers.pingxx import notice;notice._require_fresh = lambda *_: None"
    ),
    "pingxx: signature": (
        "from providers.pingxx import signature; signature._holds = lambda *_: True"
    ),
    "pingxx: merchant": _WITHOUT_MERCHANT,
    "alipay: freshness": "from providers.alipay import notice; notice.MAX_AGE *= 10000",
    "alipay: signature": (
        "from providers.alipay.signature import KeyRing;KeyRing.signer_of = lambda *_: 'anybody'"
    ),
    "alipay: seller": _WITHOUT_MERCHANT,
}

# Batches take turns as the entries stand in their list.
_TURNS = {make().provider: n for n, make in enumerate(ENTRIES)}


@pytest.mark.parametrize("guard", sorted(_SABOTAGE))
class TestTheCampaign:
    def test_finds_out_when_a_check_is_gone(self, guard: str, database_url: str) -> None:
        count = 2000 if guard == "memory" else 300
        first = _TURNS.get(guard.partition(":")[0], 0)
        code = f"{_SABOTAGE[guard]}\n{_RUN}"
        ended = run(code, count, database_url, "--seed", 1, "--first", first)

        assert ended.returncode == 1, ended.stdout + ended.stderr
        report = report_of(ended.stdout)
        assert report["faults"] or report["memory_growth_kib"] > MEMORY_GROWTH_MAX_KIB
