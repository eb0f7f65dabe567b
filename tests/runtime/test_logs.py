"""Log lines: one object each, no secrets, nothing a terminal would obey."""

import json
import logging
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from runtime.logs import configure_logging, mask_secrets

ROOT = Path(__file__).parents[2]


def lines(program: str) -> list[dict[str, object]]:
    """Run a program that logs, in a process of its own: logging is the process's."""
    head = "import logging, structlog\nfrom runtime.logs import configure_logging\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(program)],
        cwd=ROOT,
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == b""
    assert all(0x20 <= byte < 0x7F for line in done.stderr.split(b"\n") for byte in line)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_both_kinds_of_loggers_write_one_object_a_line() -> None:
    first, second = lines(
        """
        configure_logging("info")
        structlog.get_logger("ours").info("accepted", ops=3)
        logging.getLogger("theirs").warning("slow: %d ms", 7, extra={"peer": "S01"})
        logging.getLogger("theirs").debug("not shown")
        """
    )
    assert (first["event"], first["ops"], first["level"], first["logger"]) == (
        "accepted",
        3,
        "info",
        "ours",
    )
    assert (second["event"], second["peer"], second["level"]) == ("slow: 7 ms", "S01", "warning")
    assert str(first["timestamp"]).endswith("Z")


HOSTILE = "a\r\nb\x1b[31mc\x00d\x7fe\x85f\u2028g\u202eh\u200b"


def test_text_from_outside_is_escaped_wherever_it_stands() -> None:
    found = lines(
        f"""
        configure_logging("INFO")
        text = {HOSTILE!r}
        structlog.get_logger().info(text, name=text, **{{text: [text, {{"x": text}}]}})
        logging.getLogger().warning("got %s", text)
        logging.getLogger().warning(text)
        """
    )
    assert len(found) == 3
    assert found[0]["event"] == found[0]["name"] == HOSTILE
    assert found[0][HOSTILE] == [HOSTILE, {"x": HOSTILE}]
    assert found[1]["event"] == f"got {HOSTILE}"


def test_a_traceback_is_in_the_line_without_the_values_of_variables() -> None:
    [line] = lines(
        """
        configure_logging("INFO")
        def fails(pin):
            raise ValueError("bad")
        try:
            fails("hunter" + str(1 + 1))
        except ValueError:
            logging.getLogger().exception("failed")
        """
    )
    assert "ValueError: bad" in str(line["exception"])
    assert "hunter2" not in json.dumps(line)


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "secret",
        "password",
        "authorization",
        "pin",
        "cookie",
        "Authorization",
        "operator_token",
        "enrolment_code",
        "X-Auth-Token",
        "set-cookie",
        "TOKEN",
    ],
)
def test_what_stands_under_a_secrets_name_is_masked(key: str) -> None:
    event = {"event": "x", key: "hush", "inner": {key: "hush", "list": [{key: ["hush"]}]}}
    assert "hush" not in str(mask_secrets(None, "info", event))


@pytest.mark.parametrize("key", ["event", "code", "status_code", "coded", "tokens_made", "sku"])
def test_what_is_no_secret_is_not_masked(key: str) -> None:
    assert mask_secrets(None, "info", {key: {"a": 5}}) == {key: {"a": 5}}


def test_a_value_without_end_is_cut() -> None:
    endless: dict[str, object] = {}
    endless["again"] = endless
    assert "***" in str(mask_secrets(None, "info", {"event": endless}))


def test_secrets_are_masked_in_the_line_itself() -> None:
    found = lines(
        """
        configure_logging("INFO")
        structlog.get_logger().info("made", token="hush", headers={"Authorization": "hush"})
        logging.getLogger().warning("made", extra={"password": "hush"})
        """
    )
    assert "hush" not in json.dumps(found)


def test_an_unknown_level_is_an_error() -> None:
    before = logging.getLogger().handlers
    with pytest.raises(ValueError, match="LOUD"):
        configure_logging("loud")
    assert logging.getLogger().handlers == before
