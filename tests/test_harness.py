"""The test harness itself: a skip cannot hide, and a blocking call cannot pass.

Goal: every promise of tests/skips.py and tests/conftest.py can be seen failing. Method: a small
tree with its own tests is run by a second pytest process, strict or not.
"""

import asyncio
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from blockbuster import BlockingError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import skips
from tests.conftest import GUARDED_PACKAGES

CONFIG = """
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
markers = ["slow"]
"""
CONFTEST = """
import os
from tests import skips
def pytest_configure(config):
    skips.install(config, os.environ)
"""
SKIPPING = "import pytest\ndef test_runs(): pass\ndef test_away(): pytest.skip('no such tool')\n"
SLOW = "import pytest\ndef test_runs(): pass\n@pytest.mark.slow\ndef test_long(): pass\n"
MODULE_SKIP = "import pytest\npytest.skip('no server', allow_module_level=True)\n"
XFAIL = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_known(): assert False\n"


@pytest.fixture(params=[(), ("-p", "xdist", "-n", "2")], ids=["one process", "two workers"])
def tree(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs pytest on one test file under an allowlist."""
    workers: tuple[str, ...] = request.param
    tests = tmp_path / "tests"
    tests.mkdir()
    (tmp_path / ".ci").mkdir()
    shutil.copy(str(skips.__file__), tests / "skips.py")
    (tmp_path / "pyproject.toml").write_text(CONFIG)
    (tests / "__init__.py").touch()
    (tests / "conftest.py").write_text(CONFTEST)

    def run(
        source: str, allowed: str = "", *arguments: str, strict: bool = True
    ) -> subprocess.CompletedProcess[str]:
        (tests / "test_it.py").write_text(source)
        (tmp_path / skips.ALLOWLIST_FROM_ROOT).write_text(allowed)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("CI", "PYTEST"))}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = (
            "1"  # the gate needs none, and starts faster
        )
        environment["EVERSTOCK_STRICT_SKIPS"] = str(int(strict))
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *workers, *arguments]
        return subprocess.run(
            command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


Tree = Callable[..., subprocess.CompletedProcess[str]]


def test_a_skip_is_printed_and_harmless_outside_a_strict_run(tree: Tree) -> None:
    run = tree(SKIPPING, strict=False)
    assert run.returncode == 0
    assert "tests/test_it.py::test_away | no such tool" in run.stdout


def test_a_skip_that_is_not_allowed_fails_a_strict_run(tree: Tree) -> None:
    run = tree(SKIPPING)
    assert run.returncode == 1
    assert "FAILED tests/test_it.py::test_away - skipped, but not in .ci/skips.txt" in run.stdout


@pytest.mark.parametrize(
    "line",
    [
        "tests/test_it.py::test_away | no such tool",
        "tests/test_it.py::* | no such tool",
        "tests/test_it.py::test_away | no such *",
    ],
)
def test_an_allowed_skip_passes_a_strict_run(tree: Tree, line: str) -> None:
    run = tree(SKIPPING, f"# why\n\n{line}\n")
    assert run.returncode == 0, run.stdout


def test_an_allowance_for_another_reason_does_not_cover_the_skip(tree: Tree) -> None:
    assert tree(SKIPPING, "tests/test_it.py::test_away | no server\n").returncode == 1


def test_a_module_that_skips_itself_is_a_skip_too(tree: Tree) -> None:
    assert tree(MODULE_SKIP).returncode == 1
    # Nothing ran, which pytest itself reports with its own code.
    allowed = tree(MODULE_SKIP, "tests/test_it.py | no server\n")
    assert allowed.returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_an_expected_failure_is_not_a_skip(tree: Tree) -> None:
    assert tree(XFAIL).returncode == 0


def test_an_allowance_that_names_no_test_fails_a_strict_run(tree: Tree) -> None:
    run = tree(SLOW, "tests/test_it.py::test_gone | no such tool\n")
    assert run.returncode == 1
    assert "names no test: tests/test_it.py::test_gone | no such tool" in run.stdout


def test_an_allowance_for_a_deselected_test_is_not_stale(tree: Tree) -> None:
    run = tree(SLOW, "tests/test_it.py::test_long | no such tool\n", "-m", "not slow")
    assert run.returncode == 0, run.stdout


def test_a_partial_run_does_not_judge_the_allowlist(tree: Tree) -> None:
    run = tree(SLOW, "tests/other.py::test_x | no such tool\n", "tests/test_it.py")
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("line", ["* | anything", "tests/test_it.py::test_away", "| reason"])
def test_a_malformed_or_boundless_allowance_stops_the_run(tree: Tree, line: str) -> None:
    run = tree(SKIPPING, line + "\n")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert ".ci/skips.txt, line 1" in run.stderr


@pytest.mark.parametrize(
    ("environment", "strict"),
    [({}, False), ({"CI": "false"}, False), ({"CI": "true"}, True), ({"CI": "1"}, True)],
)
def test_a_run_is_strict_when_the_environment_says_so(
    environment: dict[str, str], strict: bool
) -> None:
    assert skips.is_strict(environment) is strict


def test_the_checked_in_allowlist_is_well_formed(pytestconfig: pytest.Config) -> None:
    skips.parse_allowlist((pytestconfig.rootpath / skips.ALLOWLIST_FROM_ROOT).read_text())


def _calling(statement: str, package: str) -> Callable[[], object]:
    """Give a function whose code stands in `package` as far as the guard can tell."""
    folder = Path(str(importlib.import_module(package).__file__)).parent
    names: dict[str, Callable[[], object]] = {}
    source = f"def call():\n    import os, time\n    {statement}\n"
    exec(compile(source, str(folder / "blocking.py"), "exec"), names)
    return names["call"]


@pytest.mark.parametrize("package", GUARDED_PACKAGES)
@pytest.mark.parametrize("statement", ["time.sleep(0)", "os.stat('.')", "os.fsync(1)"])
async def test_our_code_may_not_block_the_event_loop(package: str, statement: str) -> None:
    call = _calling(statement, package)
    with pytest.raises(BlockingError):
        call()


@settings(max_examples=1)
@given(st.none())
async def test_an_async_property_is_guarded_too(nothing: None) -> None:
    assert nothing is None
    with pytest.raises(BlockingError):
        _calling("time.sleep(0)", "protocol")()


async def test_a_worker_thread_may_block() -> None:
    await asyncio.to_thread(_calling("time.sleep(0)", "runtime"))


@pytest.mark.blocking("shows that the mark lifts the guard")
async def test_the_guard_is_lifted_where_the_mark_says_so() -> None:
    _calling("time.sleep(0)", "runtime")()


def test_plain_code_may_block() -> None:
    _calling("time.sleep(0)", "runtime")()
