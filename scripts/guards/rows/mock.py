"""What keeps the mock provider honest, and out of production."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import API

_ADAPTER = "tests/providers/test_mock_pay.py"
_SIMULATOR = "tests/sandbox/test_mock.py"

MOCK = (
    Guard(
        "mock.answer",
        "an answer of the mock provider counts only when it is signed",
        "providers/mock/client.py",
        "if not self._is_answer_to(call_id, reply):",
        "if False:",
        f"{_ADAPTER}::TestAnAnswer::test_without_a_signature_is_not",
    ),
    Guard(
        "mock.answer_of_the_call",
        "an answer of the mock provider counts for one call only",
        "providers/mock/client.py",
        "return webhook_signature.verify(secret, reply.headers, content, now) == call_id",
        'return webhook_signature.verify(secret, reply.headers, content, now) != ""',
        f"{_ADAPTER}::TestAnAnswer::test_to_another_call_is_not",
    ),
    Guard(
        "mock.answer_of_the_number",
        "an answer of the mock provider is about the number that was asked",
        "providers/mock/adapter.py",
        "if payment.attempt_no != attempt_no:",
        "if False:",
        f"{_ADAPTER}::TestAnAnswer::test_that_makes_no_sense_says_nothing",
    ),
    Guard(
        "mock.call",
        "the mock provider takes no call that is not signed",
        "sandbox/mock/gateway.py",
        "if not self._keys.accepts(request.headers, content, time.time()):",
        "if False:",
        f"{_SIMULATOR}::TestACall::test_that_proves_nothing_is_refused",
    ),
    Guard(
        "mock.autofire",
        "the mock provider is silent when told to be",
        "sandbox/mock/events.py",
        "if wish.drop or not self._settings.autofire:",
        "if wish.drop:",
        f"{_SIMULATOR}::TestAnEvent::test_goes_out_to_nobody_when_told_so",
    ),
    Guard(
        "mock.refunds",
        "the mock provider gives back no more than it took",
        "sandbox/mock/refunds.py",
        "if wanted.amount > self._left_of(trade):",
        "if False:",
        f"{_SIMULATOR}::TestARefund::test_of_one_number_goes_back_once_and_never_above_what_was_paid",
    ),
    Guard(
        "production.mock_settings",
        "production refuses everything of the mock provider by name",
        "runtime/environments.py",
        "if value is not None\n",
        "if False\n",
        f"{API}settings.py::TestProduction::test_refuses_what_belongs_to_the_sandbox"
        "[MOCK_WEBHOOK_AUTOFIRE-1]",
    ),
    Guard(
        "production.mock_gateway",
        "production has no mock provider, whatever it is told",
        "runtime/groups/mock.py",
        "return (self.mock_gateway or self.sandbox_url) if self.is_sandbox else None",
        'return self.mock_gateway or self.sandbox_url or "http://127.0.0.1:9000"',
        f"{API}settings.py::TestTheMockProvider::"
        "test_is_not_there_in_production_whatever_it_is_told",
    ),
)
