"""One guard: what it keeps off, how a machine removes it, and the test that must then fail."""

import ast
from dataclasses import dataclass
from pathlib import Path


class PatchStaleError(Exception):
    """The patch fits the code no longer: the table must follow the code."""


@dataclass(frozen=True)
class Guard:
    """A guard; *old* stands once in *file*, and *new* in its place removes the guard."""

    id: str
    keeps: str
    file: str
    old: str
    new: str
    test: str

    def removed_from(self, text: str) -> str:
        """Return a file's *text* without the guard.

        :raises PatchStaleError: *old* is not there exactly once, or what is left is no Python.
        """
        found = text.count(self.old)
        if found != 1:
            raise PatchStaleError(f"{self.id}: found {found} times in {self.file}")
        patched = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            try:
                ast.parse(patched)
            except SyntaxError as error:
                raise PatchStaleError(f"{self.id}: {self.file} breaks, {error.msg}") from None
        return patched

    def check(self, root: Path) -> None:
        """Check, without running anything, that the guard can be removed and its test is there.

        :raises PatchStaleError: with what does not fit.
        """
        self.removed_from((root / self.file).read_text(encoding="utf-8"))
        path, *names = self.test.partition("[")[0].split("::")
        tree: ast.Module | ast.ClassDef = ast.parse((root / path).read_text(encoding="utf-8"))
        for name in names:
            named = [node for node in tree.body if getattr(node, "name", None) == name]
            if not named:
                raise PatchStaleError(f"{self.id}: {path} has no {name}")
            if isinstance(named[0], ast.ClassDef):
                tree = named[0]
