"""The tree keeps its house rules, and each checker of them can fail."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from tests import tidy
from tests.tidy import CHECKERS, Checker, Source

DOC = '"""A."""\n'
LONG_BODY = "    pass\n" * tidy.FUNCTION_LINES_MAX

# checker, path, content: found
BAD: Sequence[tuple[Checker, str, str]] = [
    *((tidy.banned_words, "README.md", f"now {word} later\n") for word in tidy.BANNED_WORDS),
    (tidy.printing, "hub/feed.py", "print('x')\n"),
    (tidy.vague_names, "node/utils.py", DOC),
    (tidy.vague_names, "node/common/rows.py", DOC),
    (tidy.vague_names, "node/sql_helpers.py", DOC),
    (tidy.module_docstring, "hub/__init__.py", ""),
    (tidy.module_docstring, "tests/test_x.py", "import os\n"),
    (tidy.module_length, "hub/feed.py", "\n" * (tidy.MODULE_LINES_MAX + 1)),
    (tidy.function_length, "hub/feed.py", f"def long():\n{LONG_BODY}"),
    (tidy.function_length, "hub/feed.py", f"async def long():\n{LONG_BODY}"),
    (tidy.built_sql, "hub/feed.py", "q = f'SELECT * FROM {table}'\n"),
    (tidy.built_sql, "tests/test_x.py", "q = 'select a from {}'.format(table)\n"),
    (tidy.built_sql, "runtime/store.py", "q = 'DELETE FROM t WHERE a = %s' % a\n"),
    (tidy.built_sql, "runtime/store.py", "q = 'INSERT INTO t VALUES (' + values\n"),
    (tidy.misplaced_sql, "hub/feed.py", "db.execute('SELECT 1')\n"),
    (tidy.misplaced_sql, "hub/feed.py", "Q = '''\n  insert or ignore into t values (1)'''\n"),
    (tidy.misplaced_sql, "runtime/store.py", "Q = 'CREATE TABLE t (a)'\n"),
    (tidy.misplaced_sql, "hub/feed.py", "db.execute('BEGIN IMMEDIATE')\n"),
    (tidy.misplaced_sql, "node/log.py", "db.execute('PRAGMA user_version')\n"),
    (tidy.misplaced_sql, "node/log.py", "db.execute('COMMIT')\n"),
    (tidy.impure_protocol, "protocol/wire.py", "import time\n"),
    (tidy.impure_protocol, "protocol/wire.py", "from os.path import join\n"),
    (tidy.impure_protocol, "protocol/wire.py", "def f():\n    from secrets import token_hex\n"),
    (tidy.impure_protocol, "protocol/wire.py", "import uuid\nx = uuid.uuid4()\n"),
    (tidy.impure_protocol, "protocol/wire.py", "open('x')\n"),
    (tidy.impure_protocol, "protocol/wire.py", "from nacl import utils\n"),
    (tidy.impure_protocol, "protocol/wire.py", "key = SigningKey.generate()\n"),
    *(
        (tidy.machine_paths, "README.md", f"in {start}{name}/x\n")
        for name in ("wo" + "rk", "t" + "mp", "ho" + "me", "r" + "oot")
        for start in ("/", '"/', "=/")
    ),
    (tidy.line_endings, "README.md", "one\r\ntwo\n"),
    (tidy.line_endings, "README.md", "one"),
    (tidy.changelog, "CHANGELOG.md", "## [0.1.0]\n"),
]

# checker, path, content: a near miss that must not be found
GOOD: Sequence[tuple[Checker, str, str]] = [
    (tidy.banned_words, "README.md", "MAXXXL todo hacksaw\n"),
    (tidy.printing, "hub/__main__.py", "print('x')\n"),
    (tidy.printing, "deploy/demo.py", "print('x')\n"),
    (tidy.vague_names, "node/database.py", DOC),
    (tidy.module_docstring, "hub/__init__.py", DOC),
    (tidy.module_length, "hub/feed.py", "\n" * tidy.MODULE_LINES_MAX),
    (tidy.module_length, "hub/DESIGN.md", "\n" * (tidy.MODULE_LINES_MAX + 1)),
    (tidy.function_length, "hub/feed.py", "def short():\n    pass\n"),
    (tidy.built_sql, "runtime/store.py", "q = f'PRAGMA user_version = {version:d}'\n"),
    (tidy.built_sql, "runtime/store.py", "q = f'Select a shop: {name}'\n"),
    (tidy.misplaced_sql, "hub/feed.py", "'''Update a row.'''\nx = 'Create a key with init'\n"),
    (tidy.misplaced_sql, "hub/feed.py", "def f():\n    '''SELECT is what this runs.'''\n"),
    (tidy.misplaced_sql, "hub/feed.sql", "SELECT 1;\n"),
    (tidy.misplaced_sql, "runtime/store.py", "db.execute('BEGIN IMMEDIATE')\n"),
    (tidy.misplaced_sql, "tests/runtime/test_store.py", "db.execute('SELECT 1')\n"),
    (tidy.impure_protocol, "protocol/wire.py", "from protocol.clock import Stamp\n"),
    (tidy.impure_protocol, "protocol/wire.py", "session.open()\n"),
    (tidy.impure_protocol, "runtime/store.py", "import time\n"),
    (tidy.machine_paths, "README.md", "https://example.org/home/x ~/work a/tmp/ /homes\n"),
    (tidy.line_endings, "README.md", "one\ntwo\n"),
    (tidy.line_endings, "hub/empty.txt", ""),
    (tidy.changelog, "CHANGELOG.md", "## [Unreleased]\n"),
]


def _findings(checker: Checker, path: str, content: str) -> list[str]:
    return list(checker(Source(PurePosixPath(path), content.encode())))


@pytest.fixture(scope="module")
def sources(pytestconfig: pytest.Config) -> list[Source]:
    """Give every text file of the tree."""
    return tidy.read_tree(pytestconfig.rootpath)


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_the_tree_keeps_the_rule(checker: Checker, sources: list[Source]) -> None:
    found = [f"{source.path}: {finding}" for source in sources for finding in checker(source)]
    assert not found, f"{checker.__doc__}\n" + "\n".join(found)


@pytest.mark.parametrize(("checker", "path", "content"), BAD)
def test_a_checker_finds_what_breaks_its_rule(checker: Checker, path: str, content: str) -> None:
    assert _findings(checker, path, content)


@pytest.mark.parametrize(("checker", "path", "content"), GOOD)
def test_a_checker_leaves_a_near_miss_alone(checker: Checker, path: str, content: str) -> None:
    assert _findings(checker, path, content) == []


def test_every_checker_is_shown_to_fail_and_to_pass() -> None:
    names = {checker.__name__ for checker in CHECKERS}
    assert {checker.__name__ for checker, _, _ in BAD} == names
    assert {checker.__name__ for checker, _, _ in GOOD} == names


def test_the_tree_is_read_whole(sources: list[Source]) -> None:
    """Goal: an empty or partial listing cannot make every rule pass."""
    paths = {str(source.path) for source in sources}
    assert {"pyproject.toml", "Makefile", ".ci/run", "tests/test_tidy.py"} <= paths
    assert {path.split("/")[0] for path in paths} >= {*tidy.PRODUCT, "deploy", "tests"}
    assert not any(path.startswith(".venv/") for path in paths)


def test_an_unpacked_archive_is_read_without_git(tmp_path: Path) -> None:
    for name in ("hub/feed.py", ".venv/lib/x.py", ".git/config", "hub/__pycache__/feed.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(DOC)
    # An empty .git is no repository, so listing fails as it does in an archive.
    assert [str(source.path) for source in tidy.read_tree(tmp_path)] == ["hub/feed.py"]
