"""The soak still works, and its verdict tells a leak from a cache. The real one runs an hour; see tests/README.md."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.process import CHECKOUT
from tests.soak import report
from tests.soak.__main__ import EXIT_INTERRUPTED
from tests.soak.samples import Sample, quantile, read_process, tasks_of
from tests.soak.trend import TOLERANCES, Point, slope_per_hour, trend

HOUR_S = 3600
RSS = TOLERANCES["rss_mb"]


def _hour(mb_at: "list[float]") -> list[Point]:
    return [Point(HOUR_S * n / len(mb_at), mb) for n, mb in enumerate(mb_at)]


def test_a_leak_grows() -> None:
    leaking = trend(_hour([70 + 20 * n / 360 for n in range(360)]), RSS)
    assert leaking is not None
    assert leaking.grows
    assert leaking.per_hour == pytest.approx(20, rel=0.01)
    assert leaking.first == pytest.approx(71.7, abs=0.2)
    assert leaking.last == pytest.approx(88.3, abs=0.2)


def test_a_cache_that_fills_and_stays_full_is_flat() -> None:
    filling = trend(_hour([70 + 30 * min(1.0, n / 90) for n in range(360)]), RSS)
    assert filling is not None
    assert not filling.grows


def test_noise_is_flat() -> None:
    noisy = trend(_hour([70 + 3 * math.sin(n) for n in range(360)]), RSS)
    assert noisy is not None
    assert not noisy.grows


def test_one_descriptor_lost_at_each_restart_grows() -> None:
    losing = trend(_hour([30 + n // 30 for n in range(360)]), TOLERANCES["descriptors"])
    assert losing is not None
    assert losing.grows


def _lives(mb_at: "list[list[float]]") -> list[Sample]:
    """Lives of a hub, five minutes each, a look each 10 seconds."""
    return [
        Sample(
            at_s=300.0 * life + 10 * look,
            daemon="hub",
            life=life + 1,
            life_s=10.0 * look,
            rss_mb=mb,
            descriptors=30,
            threads=9,
            cpu_s=1.0,
            database_mb=1.0,
            wal_mb=1.0,
            tasks=20,
            pending=None,
            sales=0,
            p50_ms=None,
            p99_ms=None,
            max_ms=None,
        )
        for life, looks in enumerate(mb_at)
        for look, mb in enumerate(looks)
    ]


def test_a_leak_that_begins_anew_with_each_life_grows() -> None:
    leaking = [[70 + look for look in range(30)] for _ in range(12)]
    assert set(report.growing(_lives(leaking))) == {
        f"hub, life {life} rss_mb" for life in range(1, 13)
    }


def test_a_cache_that_the_first_lives_fill_slowly_and_the_later_at_once_is_flat() -> None:
    slowly = [[70 + look / 2 for look in range(30)] for _ in range(4)]
    at_once = [[85.0] * 30 for _ in range(8)]
    assert report.growing(_lives(slowly + at_once)) == []


def test_too_few_samples_are_not_judged() -> None:
    assert trend(_hour([70, 80, 90]), RSS) is None
    assert slope_per_hour([Point(0, 70)]) == 0


def test_a_rise_within_half_a_minute_is_not_judged() -> None:
    """What a short soak saw of a node's tasks while other work kept the machine busy."""
    busy = [25, 26, 25, 31, 30]
    tasks = TOLERANCES["tasks"]
    assert trend([Point(7.5 * look, count) for look, count in enumerate(busy)], tasks) is None
    longer = trend([Point(60.0 * look, count) for look, count in enumerate(busy)], tasks)
    assert longer is not None
    assert longer.grows


def test_what_this_process_uses_is_read_from_the_kernel() -> None:
    before = read_process(os.getpid())
    with Path(__file__).open():
        during = read_process(os.getpid())
    assert before is not None
    assert during is not None
    assert during.descriptors == before.descriptors + 1
    assert before.rss_mb > 1
    assert read_process(2**22 + 1) is None, "no process has a larger id than the kernel's most"


def test_a_figure_that_is_not_there_is_none() -> None:
    assert tasks_of("everstock_asyncio_tasks 12.0\n") == 12
    assert tasks_of("everstock_asyncio_tasks_started 12.0\n") is None
    assert quantile([], 0.5) is None
    assert quantile([3, 1, 2], 0.5) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_short_soak_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """Method: the command itself, with real processes, both ways to end a hub, and repeats of lost answers."""
    file = tmp_path / "soak.json"
    plan = ["--minutes", "1.5", "--hub-restart-every-min", "0.2", "--sales-per-s", "100"]
    done = subprocess.run(
        [*(sys.executable, "-m", "tests.soak"), *plan, "--json", str(file)],
        cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {"SIGTERM", "kill -9"} <= {line["by"] for line in lines if line["what"] == "hub ended"}
    samples = [line for line in lines if line["what"] == "sample"]
    assert {sample["daemon"] for sample in samples} == {
        *("hub", "office"),
        *("shop1", "shop2", "shop3", "shop4"),
    }
    assert sum(sample["sales"] or 0 for sample in samples) > 2_000
    assert lines[-1] == {"what": "end", "wrong": []}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_a_soak_that_is_interrupted_says_so_and_leaves_nothing(
    signal_: signal.Signals, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [*(sys.executable, "-m", "tests.soak"), "--minutes", "5", "--nodes", "1"],
        cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as soak:
        assert soak.stdout is not None
        assert soak.stdout.readline().startswith("Plan(")
        soak.send_signal(signal_)
        _, said = soak.communicate(timeout=60)
    assert said == "interrupted: nothing can be said of it\n"
    assert soak.returncode == EXIT_INTERRUPTED
    assert list(tmp_path.iterdir()) == []
