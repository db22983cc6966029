"""The schemas are the structs', and the contracts' examples are as their schemas say."""

import re

import jsonschema_rs
import msgspec
import pytest

from contracts.bridge import BridgeError
from contracts.wire.miniprogram import PaymentResult
from scripts.schemas import FOLDER, PAYLOADS, schema_of, written
from scripts.stamp import ROOT

CONTRACTS = [ROOT / "contracts" / f"{name}.md" for name in ("miniprogram-bridge", "payment-events")]
_EXAMPLE = re.compile(r"^```json ([a-z0-9-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TEXT = "\n".join(contract.read_text(encoding="utf-8") for contract in CONTRACTS)
EXAMPLES: list[tuple[str, str]] = _EXAMPLE.findall(_TEXT)


def errors_in(name: str, document: object) -> list[str]:
    validator = jsonschema_rs.validator_for(schema_of(name))
    return [error.message for error in validator.iter_errors(document)]


def decoded(name: str, text: str) -> list[type[msgspec.Struct]]:
    """List the structs of a payload that can be read out of *text*."""
    found = []
    for struct in PAYLOADS[name]:
        try:
            msgspec.json.decode(text, type=struct)
        except msgspec.ValidationError:
            continue
        found.append(struct)
    return found


class TestTheSchemas:
    @pytest.mark.parametrize("name", PAYLOADS)
    def test_are_written_as_the_structs_are(self, name: str) -> None:
        file = FOLDER / f"{name}.json"

        assert file.read_text(encoding="utf-8") == written(name), "make schemas"

    def test_are_those_and_no_others(self) -> None:
        assert sorted(file.stem for file in FOLDER.iterdir()) == sorted(PAYLOADS)

    @pytest.mark.parametrize("name", PAYLOADS)
    def test_are_schemas(self, name: str) -> None:
        assert jsonschema_rs.meta.is_valid(schema_of(name))

    @pytest.mark.parametrize(
        ("channel", "payload"),
        [
            ("WECHAT_NATIVE", {"jsapiParams": {}}),
            ("WECHAT_JSAPI", {"codeUrl": "weixin://1"}),
            ("MINIPROGRAM_BRIDGE", {"codeUrl": "weixin://1"}),
            ("PIGEON", {"codeUrl": "weixin://1"}),
        ],
    )
    def test_refuse_a_payload_of_another_channel(
        self, channel: str, payload: dict[str, object]
    ) -> None:
        text = next(
            text for name, text in EXAMPLES if name == "prepare-response" and "codeUrl" in text
        )
        document = msgspec.json.decode(text) | {"channel": channel, "payPayload": payload}

        assert errors_in("prepare-response", document) != []

    @pytest.mark.parametrize("name", [name for name in PAYLOADS if name.endswith("-request")])
    def test_refuse_what_nobody_asked_for(self, name: str) -> None:
        text = next(text for found, text in EXAMPLES if found == name)
        document = msgspec.json.decode(text) | {"amount": 1}

        assert errors_in(name, document) != []


class TestTheContracts:
    def test_names_a_schema_beside_every_json(self) -> None:
        assert len(EXAMPLES) == _TEXT.count("```json")

    @pytest.mark.parametrize(
        ("name", "text"), EXAMPLES, ids=[f"{n} {name}" for n, (name, _) in enumerate(EXAMPLES)]
    )
    def test_shows_what_its_schemas_allow(self, name: str, text: str) -> None:
        assert errors_in(name, msgspec.json.decode(text)) == []
        assert decoded(name, text) != []

    def test_has_an_example_of_every_payload(self) -> None:
        assert {name for name, _ in EXAMPLES} == set(PAYLOADS)

    def test_explains_every_error_and_no_other(self) -> None:
        explained = re.findall(r"^\| `([A-Z_]+)` \|.*`MINI_PROGRAM_", _TEXT, re.MULTILINE)
        known = [error.value for error in BridgeError]

        assert explained == known
        for code in known:
            msgspec.convert({"ok": False, "errCode": code}, PaymentResult)
