"""Checkers of the tree itself: the house rules that no linter knows.

A checker takes one `Source` and gives its findings as sentences; none of them reads a file. Each
has a bad and a good snippet in test_tidy.py, so a checker that finds nothing is itself found.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PRODUCT = ("protocol", "runtime", "node", "hub")
IGNORED_FOLDERS = frozenset({".git", ".venv", "__pycache__", "build", "dist"})
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

# Spelled in halves, so that this file passes its own check.
BANNED_WORDS = ("FIX" + "ME", "TO" + "DO", "XX" + "X", "HA" + "CK", "break" + "point(")
VAGUE_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"})
IMPURE_MODULES = frozenset(
    {"aiohttp", "aiosqlite", "asyncio", "datetime", "io", "logging", "nacl.utils", "os", "pathlib"}
    | {"random", "secrets", "socket", "sqlite3", "structlog", "subprocess", "threading", "time"}
)
IMPURE_FUNCTIONS = frozenset({"input", "open", "print"})
IMPURE_METHODS = frozenset({"generate", "uuid1", "uuid4"})  # keys and ids out of thin air

_BANNED = re.compile("|".join(rf"\b{re.escape(word)}" for word in BANNED_WORDS))
_MACHINE_PATH = re.compile(r"(?<![\w.~$}*/-])/(?:" + "wo" + "rk|t" + r"mp|home|root)(?![\w-])")
_STATEMENT = re.compile(
    r"\s*(?:(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|REPLACE|WITH)\s"
    r"|(?i:select\b.+\bfrom|insert\s+(?:or\s+\w+\s+)?into|update\s+\w+\s+set|delete\s+from"
    r"|create\s+(?:unique\s+|temp\s+)?(?:table|index|trigger|view))\b)",
    re.DOTALL,
)
_TRANSACTION = re.compile(r"\s*(?:PRAGMA|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|VACUUM|ATTACH)\b")


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the tree: its path from the root and its bytes."""

    path: PurePosixPath
    content: bytes

    @property
    def text(self) -> str:
        """Give the content as text."""
        return self.content.decode("utf-8")

    @property
    def is_python(self) -> bool:
        """Say whether this is a Python module."""
        return self.path.suffix == ".py"

    @property
    def is_product(self) -> bool:
        """Say whether this file is part of what is installed."""
        return self.path.parts[0] in PRODUCT

    def tree(self) -> ast.Module:
        """Parse the module; nothing at all for a file that is not Python."""
        return ast.parse(self.text if self.is_python else "")


Checker = Callable[[Source], Iterator[str]]


def read_tree(root: Path) -> list[Source]:
    """Read every text file that is, or would be, in the repository, in order of path."""
    listing = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        paths = {root / name for name in listing.stdout.decode().split("\0") if name}
    else:  # an unpacked archive, or somebody else's checkout
        paths = {path for path in root.rglob("*") if not IGNORED_FOLDERS & set(path.parts)}
    files = [
        Source(PurePosixPath(path.relative_to(root)), path.read_bytes())
        for path in sorted(paths)
        if path.is_file()
    ]
    return [source for source in files if b"\0" not in source.content]


def banned_words(source: Source) -> Iterator[str]:
    """Unfinished work belongs in an issue, a debugger nowhere."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        for match in _BANNED.finditer(line):
            yield f"line {number}: {match.group()}"


def printing(source: Source) -> Iterator[str]:
    """Only a command line and the demonstration print; the rest logs or returns."""
    may_print = source.path.name == "__main__.py" or source.path.parts[0] not in PRODUCT
    for node in ast.walk(source.tree()):
        match node:
            case ast.Call(func=ast.Name(id="print")) if not may_print:
                yield f"line {node.lineno}: print"


def vague_names(source: Source) -> Iterator[str]:
    """A module is named after its one concept."""
    for name in (*source.path.parts[:-1], source.path.stem):
        if source.is_python and (name in VAGUE_NAMES or name.endswith(("_utils", "_helpers"))):
            yield f"{name} names no concept"


def module_docstring(source: Source) -> Iterator[str]:
    """Every module says what it is and which invariant it owns."""
    if source.is_python and not ast.get_docstring(source.tree()):
        yield "has no module docstring"


def module_length(source: Source) -> Iterator[str]:
    """A module is read at one sitting."""
    lines = len(source.text.splitlines())
    if source.is_python and lines > MODULE_LINES_MAX:
        yield f"has {lines} lines, more than {MODULE_LINES_MAX}"


def function_length(source: Source) -> Iterator[str]:
    """A function fits on a screen."""
    for node in ast.walk(source.tree()):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"line {node.lineno}: {node.name} has {lines} lines"


def built_sql(source: Source) -> Iterator[str]:
    """A statement is never put together from pieces: its values are named parameters."""
    for node in ast.walk(source.tree()):
        match node:
            case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
                pass
            case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Add() | ast.Mod()):
                pass
            case ast.Call(
                func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format" | "join")
            ):
                pass
            case _:
                continue
        if _STATEMENT.match(text):
            yield f"line {node.lineno}: a statement built from pieces"


def _strings(module: ast.Module) -> Iterator[ast.Constant]:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    bodies = [node.body for node in ast.walk(module) if isinstance(node, documented)]
    # A string that stands alone is documentation, of a module or of the attribute above it.
    prose = {
        id(statement.value)
        for body in bodies
        for statement in body
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


def misplaced_sql(source: Source) -> Iterator[str]:
    """Statements live in .sql files; only runtime opens transactions and sets pragmas."""
    if not source.is_product:
        return  # a test may look into a database with a statement of its own
    for node in _strings(source.tree()):
        text = str(node.value)
        if _STATEMENT.match(text):
            yield f"line {node.lineno}: a statement outside a .sql file"
        if source.path.parts[0] != "runtime" and _TRANSACTION.match(text):
            yield f"line {node.lineno}: a transaction or pragma outside runtime"


def impure_protocol(source: Source) -> Iterator[str]:
    """The agreement depends on no clock, chance, disk or network."""
    if source.path.parts[0] != "protocol":
        return
    for node in ast.walk(source.tree()):
        match node:
            case ast.Import(names=names):
                imported = {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names):
                imported = {module, *(f"{module}.{alias.name}" for alias in names)}
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_FUNCTIONS:
                imported = set()
                yield f"line {node.lineno}: calls {name}"
            case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_METHODS:
                imported = set()
                yield f"line {node.lineno}: calls {name}"
            case _:
                continue
        roots = {name.split(".")[0] for name in imported}
        for name in sorted(IMPURE_MODULES & (imported | roots)):
            yield f"line {node.lineno}: imports {name}"


def machine_paths(source: Source) -> Iterator[str]:
    """No file knows the machine it was written on."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        for match in _MACHINE_PATH.finditer(line):
            yield f"line {number}: {match.group()}"


def line_endings(source: Source) -> Iterator[str]:
    """Lines end in LF, the last one too."""
    if b"\r" in source.content:
        yield "has a carriage return"
    if source.content and not source.content.endswith(b"\n"):
        yield "does not end in a newline"


def changelog(source: Source) -> Iterator[str]:
    """The changelog always has a place for the next change."""
    if source.path.name == "CHANGELOG.md" and "## [Unreleased]" not in source.text.splitlines():
        yield "has no '## [Unreleased]' section"


CHECKERS: tuple[Checker, ...] = (
    banned_words,
    printing,
    vague_names,
    module_docstring,
    module_length,
    function_length,
    built_sql,
    misplaced_sql,
    impure_protocol,
    machine_paths,
    line_endings,
    changelog,
)
