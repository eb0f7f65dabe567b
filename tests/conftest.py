"""What every test gets: a guarded event loop, a Hypothesis profile, processes that start at once and the skip gate.

A blocking call made by our own code on the event loop is an error in an async test, so "selling
never waits" is checked by every one of them.
"""

import functools
import importlib.util
import inspect
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest
from blockbuster import BlockBuster, BlockBusterFunction
from hypothesis import HealthCheck, settings

from tests import skips
from tests.preloaded import Starter

GUARDED_PACKAGES = ["protocol", "runtime", "node", "hub"]

# A busy machine is not a bug in a property, so no profile has a deadline.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", _PATIENT)
settings.register_profile("ci", _PATIENT, derandomize=True, print_blob=True)
settings.register_profile("long", _PATIENT, max_examples=1_000, print_blob=True)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the Hypothesis profile, install the skip gate, and begin our commands with their modules loaded."""
    default_profile = "ci" if skips.is_strict(os.environ) else "dev"
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", default_profile))
    skips.install(config, os.environ)
    if "EVERSTOCK_COLD" not in os.environ:
        starter = Starter()
        starter.install()
        config.add_cleanup(starter.close)


@functools.cache
def _blocking_guard() -> BlockBuster:
    """Make the guard once; activating it is cheap, looking up the functions is not."""
    # A package that is not there cannot block; test_harness fails for each that is missing.
    present = [name for name in GUARDED_PACKAGES if importlib.util.find_spec(name)]
    guard = BlockBuster(present)
    # A durable write waits for the disk longest of all, and the guard's own list lacks it.
    for name in ("os.fsync", "os.fdatasync"):
        guard.functions[name] = BlockBusterFunction(None, name, scanned_modules=present)
    return guard


def _is_async(test: Callable[..., object]) -> bool:
    # Hypothesis hides an async test behind a plain function.
    hidden = getattr(test, "hypothesis", None)
    return inspect.iscoroutinefunction(hidden.inner_test if hidden else test)


@pytest.fixture(autouse=True)
def event_loop_never_blocks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail an async test in which our code blocks the event loop.

    `@pytest.mark.blocking("reason")` lifts the guard from one test.
    """
    if not _is_async(request.function) or request.node.get_closest_marker("blocking"):
        yield
        return
    guard = _blocking_guard()
    guard.activate()
    try:
        yield
    finally:
        guard.deactivate()


@pytest.fixture(scope="session")
def tmpfs_refusal(tmp_path_factory: pytest.TempPathFactory) -> str | None:
    """Mount and unmount a small file system once; give the reason if that does not work."""
    trial = str(tmp_path_factory.mktemp("tmpfs"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", trial]
    try:
        tried = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        return "mount is not installed"
    if tried.returncode:
        return "mounting a tmpfs is not permitted"
    subprocess.run(["umount", trial], check=True)
    return None


@pytest.fixture(autouse=True)
def _skip_without_tmpfs(request: pytest.FixtureRequest) -> None:
    if not request.node.get_closest_marker("needs_tmpfs"):
        return
    if refusal := request.getfixturevalue("tmpfs_refusal"):
        pytest.skip(refusal)
