"""The skip gate: a test that did not run is never mistaken for one that passed.

Every skip is printed with its reason at the end of the run. In a strict run (`CI=true` or
`EVERSTOCK_STRICT_SKIPS=1`) a skip that `.ci/skips.txt` does not allow fails the run. So does, when
the whole suite was collected, an allowance that matches no test: it would let a later skip through.
With several workers (pytest-xdist) the process that started them decides, by what each has collected.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ALLOWLIST_FROM_ROOT = ".ci/skips.txt"
STRICT_WORDS = frozenset({"1", "true", "yes"})
_COLLECTED = "everstock_collected"


@dataclass(frozen=True, slots=True)
class Skip:
    """One test, or one module while collecting, that did not run."""

    test_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """One line of the allowlist. Either half may end in `*` to stand for any ending."""

    test_id: str
    reason: str

    def covers(self, skip: Skip) -> bool:
        """Say whether this line allows `skip`: both halves must match."""
        return _matches(self.test_id, skip.test_id) and _matches(self.reason, skip.reason)

    def names_any(self, test_ids: Iterable[str]) -> bool:
        """Say whether at least one of `test_ids` is meant by this line."""
        return any(_matches(self.test_id, test_id) for test_id in test_ids)

    def __str__(self) -> str:
        """Give the line as it stands in the allowlist."""
        return f"{self.test_id} | {self.reason}"


def _matches(pattern: str, text: str) -> bool:
    # Not fnmatch: the brackets of a parametrised id are a character class to it.
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def parse_allowlist(text: str) -> list[Allowance]:
    """Read `test id | reason` lines; blank lines and `#` comments are left out.

    Raises:
        ValueError: A line has no reason, or the id half is `*` alone, which would allow everything.
    """
    allowances = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        test_id, separator, reason = (part.strip() for part in line.partition(" | "))
        if not (separator and test_id and reason) or test_id == "*":
            raise ValueError(f"{ALLOWLIST_FROM_ROOT}, line {number}: expected 'test id | reason'")
        allowances.append(Allowance(test_id, reason))
    return allowances


def is_strict(environment: Mapping[str, str]) -> bool:
    """Say whether a skip must be allowed by name in this run."""
    names = ("CI", "EVERSTOCK_STRICT_SKIPS")
    return any(environment.get(name, "").lower() in STRICT_WORDS for name in names)


class SkipGate:
    """The pytest plugin: collects skips, prints them, and decides the exit code of a strict run."""

    def __init__(self, allowances: Sequence[Allowance], *, strict: bool) -> None:
        """Start with no skip seen."""
        self._allowances = allowances
        self._strict = strict
        self._skips: list[Skip] = []
        self._while_collecting: list[Skip] = []
        self._known_ids: set[str] = set()
        self._whole_suite = False

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Note whether everything is asked for."""
        self._whole_suite = session.config.args == session.config.getini("testpaths")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note every test id before -m or -k take some away: a slow test is still a test."""
        self._known_ids.update(item.nodeid for item in items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a module that skipped itself while it was imported."""
        before = len(self._skips)
        self._record(report)
        self._while_collecting += self._skips[before:]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a test that was skipped, by a mark, a fixture or its own body."""
        self._record(report)

    def _record(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        # An expected failure is reported as skipped too, but it ran.
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        where = report.longrepr
        reason = where[2] if isinstance(where, tuple) else str(where)
        self._known_ids.add(report.nodeid)
        one_line = " ".join(reason.removeprefix("Skipped: ").split())
        self._skips.append(Skip(report.nodeid, one_line))

    def forbidden(self) -> list[Skip]:
        """Give the skips that no line of the allowlist covers, in the order they happened."""
        return [skip for skip in self._skips if not any(a.covers(skip) for a in self._allowances)]

    def stale(self) -> list[Allowance]:
        """Give the allowances that match no test; none when only a part was collected."""
        if not self._whole_suite:
            return []
        return [a for a in self._allowances if not a.names_any(self._known_ids)]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker has collected; its tests were reported here one by one."""
        collected = getattr(node, "workeroutput", {}).get(_COLLECTED, {})
        self._known_ids.update(collected.get("ids", ()))
        skipped = [Skip(*each) for each in collected.get("skips", ())]
        self._skips += [skip for skip in skipped if skip not in self._skips]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn a green strict run red when a skip or an allowance has no ground."""
        told = getattr(session.config, "workeroutput", None)
        if told is not None:
            skips = [(skip.test_id, skip.reason) for skip in self._while_collecting]
            told[_COLLECTED] = {"ids": sorted(self._known_ids), "skips": skips}
            return
        green = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if self._strict and green and (self.forbidden() or self.stale()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print each skip as the allowlist would spell it, then what fails a strict run."""
        say = terminalreporter.write_line
        if self._skips:
            terminalreporter.section("skipped: these tests proved nothing in this run")
        for skip in self._skips:
            say(f"{skip.test_id} | {skip.reason}", yellow=True)
        if self._strict:
            for skip in self.forbidden():
                say(f"FAILED {skip.test_id} - skipped, but not in {ALLOWLIST_FROM_ROOT}", red=True)
        for allowance in self.stale():
            say(f"{ALLOWLIST_FROM_ROOT} names no test: {allowance}", red=True)


def install(config: pytest.Config, environment: Mapping[str, str]) -> None:
    """Register the gate with the allowlist of the tree under test, if it has one."""
    allowlist = Path(config.rootpath, ALLOWLIST_FROM_ROOT)
    text = allowlist.read_text(encoding="utf-8") if allowlist.exists() else ""
    try:
        gate = SkipGate(parse_allowlist(text), strict=is_strict(environment))
    except ValueError as problem:
        raise pytest.UsageError(str(problem)) from problem
    config.pluginmanager.register(gate, "everstock-skip-gate")
