"""What the documents say is there, and what is there is said."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from runtime.registry import variables
from runtime.settings import Settings
from scripts import env_examples
from scripts.order_states import PAGE, page

ROOT = Path(__file__).resolve().parents[2]
_AT_HOME = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
DOCUMENTS = sorted([*_AT_HOME, *(ROOT / "docs").rglob("*.md"), *(ROOT / "contracts").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
TEST = re.compile(r"`(Test\w+)(?:\.(test_\w+))?`")


def links_of(document: Path) -> list[tuple[str, str]]:
    text = document.read_text(encoding="utf-8")
    return [(words, target) for words, target in LINK.findall(text) if "://" not in target]


def promised_in(file: Path) -> set[tuple[str, str]]:
    """List classes with an empty name beside, and their methods."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = {
        (node.name, method.name)
        for node in classes
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return methods | {(node.name, "") for node in classes}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
class TestADocument:
    def test_links_to_files_that_exist(self, document: Path) -> None:
        missing = [
            target
            for _, target in links_of(document)
            if not (document.parent / target.partition("#")[0]).exists()
        ]

        assert missing == []

    def test_names_tests_that_exist(self, document: Path) -> None:
        named = [
            (document.parent / target, found)
            for words, target in links_of(document)
            for found in TEST.findall(words)
        ]

        assert [found for file, found in named if found not in promised_in(file)] == []


class TestTheReadme:
    def test_names_every_invariant_and_no_other(self) -> None:
        statements = (ROOT / "models" / "invariants.sql").read_text(encoding="utf-8")
        readme = (ROOT / "README.md").read_text(encoding="utf-8")

        named = re.findall(r"`((?:seats|places|money|coupons|delivery|state)\.\w+)`", readme)

        assert sorted(named) == sorted(re.findall(r"SELECT '([\w.]+)' AS id", statements))

    def test_shows_a_test_for_every_promise(self) -> None:
        promises = re.findall(
            r"^\d\. \*\*.*?(?=^\d\. |^## )",
            (ROOT / "README.md").read_text(encoding="utf-8"),
            re.MULTILINE | re.DOTALL,
        )

        assert [bool(TEST.search(promise)) for promise in promises] == [True] * 5


class TestTheOrderStates:
    def test_are_drawn_from_the_table_as_it_is(self) -> None:
        assert PAGE.read_text(encoding="utf-8") == page(), "make docs"


class TestTheExamplesOfSettings:
    def test_are_written_from_the_registry_as_it_is(self) -> None:
        said = "python scripts/generate_env_examples.py"

        assert env_examples.MINIMAL.read_text(encoding="utf-8") == env_examples.minimal(), said
        assert env_examples.FULL.read_text(encoding="utf-8") == env_examples.full(), said

    def test_name_every_setting_once_and_all_that_must_be_set(self) -> None:
        assigned = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]+)=", re.MULTILINE)
        known = {variable.name: variable for variable in variables(Settings)}

        assert sorted(assigned.findall(env_examples.full())) == sorted(known)
        asked_for = set(assigned.findall(env_examples.minimal()))
        wanted = {
            name
            for name, variable in known.items()
            if variable.required or variable.needed_by not in {None, "mock"}
        }
        assert asked_for == wanted | {"PAYMENT_PROVIDER"}

    def test_tell_of_a_setting_what_an_operator_must_know(self) -> None:
        known = {variable.name: variable for variable in variables(Settings)}

        assert env_examples.remarks(known["PINGXX_PRIVATE_KEY"]) == (
            "type str, required for pingxx, secret, PEM, PEM with \\n for line ends, bare base64,"
            " or a file's path, also read from PINGXX_PRIVATE_KEY_PATH"
        )
        assert env_examples.remarks(known["API_WORKERS"]) == "type int, from 1, to 64, optional"
        assert env_examples.remarks(known["APP_ENV"]) == (
            "type str, one of production, sandbox, optional"
        )

    def test_are_written_by_the_script_as_it_is_called(self) -> None:
        before = env_examples.FULL.read_bytes(), env_examples.MINIMAL.read_bytes()

        told = subprocess.run(
            [sys.executable, "scripts/generate_env_examples.py"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

        assert told == env_examples.summary()
        assert "required: DATABASE_URL, JWT_SECRET\n" in told
        assert (env_examples.FULL.read_bytes(), env_examples.MINIMAL.read_bytes()) == before


class TestTheOperations:
    def test_list_every_metric_and_no_other(self) -> None:
        for module in ("actors.metrics", "api.metrics", "jobs.metrics", "providers.metrics"):
            importlib.import_module(module)
        ours = {
            f"{metric.name}_total" if metric.type == "counter" else metric.name
            for metric in REGISTRY.collect()
            if metric.name.startswith("guichet_")
        }
        text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

        assert set(re.findall(r"`(guichet_\w+)`", text)) == ours

    def test_name_settings_that_exist(self) -> None:
        known = {
            name for variable in variables(Settings) for name in (variable.name, *variable.aliases)
        }
        texts = [(ROOT / "docs" / "operations.md"), ROOT / "CHANGELOG.md"]
        named = {
            name
            for text in texts
            for name in re.findall(
                r"`([A-Z]+(?:_[A-Z0-9]+)*_(?:KEY|URL|SECRET|ID|NO|SIZE|DIR|SERIAL|HOURS|V3))`",
                text.read_text(encoding="utf-8"),
            )
        }

        assert named - known == set()
        assert named


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
class TestADecision:
    def test_has_its_number_and_its_parts(self, decision: Path) -> None:
        text = decision.read_text(encoding="utf-8")
        number = int(decision.stem.partition("-")[0])

        assert text.startswith(f"# {number}. ")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
            "Status",
            "Context",
            "Decision",
            "Consequences",
            "Alternatives",
        ]
