"""S8: which fields of each address that is read hold something for whom; against a list.

A field without a row fails, whether it is described or answered. To make the list anew after a field was added on purpose:
run this file with `EVERSTOCK_WRITE_MATRIX=1`, and read who is shown it.
"""

import csv
import io
import os
import textwrap
from collections import defaultdict
from pathlib import Path

import pytest

from node.api.answers import JSON_TYPE
from node.api.openapi import document
from node.api.preferences import CSV_TYPE
from node.api.routes import routes
from node.api.typed import Route
from protocol.certificate import Role
from protocol.sealing import recovery_pair
from tests.node.alerting.shop import read_from_hub
from tests.node.api.caller import ApiCaller, Reply
from tests.node.enrolled import Shop, enrolled_folder
from tests.security.people import matrix
from tests.security.people.fields import Described
from tests.security.people.full_day import live_through
from tests.security.people.matrix import Things

GOLDEN = Path(__file__).with_name("fields.txt")
DOCUMENT = document(routes())
DESCRIBED = Described(DOCUMENT)
READ = [
    one
    for one in routes()
    if one.method == "GET" and one.answers.model is not None and not one.is_open
]
NEVER = ("argon2", "verifier", "password", "badge", "digest_of", "secret")


@pytest.fixture
def two_shops(tmp_path: Path) -> Shop:
    """Give the folder of such a node that has read all there is, in a chain that can seal."""
    found = enrolled_folder(
        tmp_path / "node",
        name="office",
        writes=("S01", "S02"),
        role=Role.OFFICE,
        recovery_key=recovery_pair(b"\x51" * 32).public,
    )
    scopes = ("stock:S01", "stock:S02", "docs:S01", "docs:S02")
    read_from_hub(found.database, "catalogue", "directory", *scopes)
    return found


async def test_s8_each_role_is_shown_the_fields_of_the_list_and_no_others(
    everybody: dict[str, ApiCaller],
) -> None:
    callers = {name: one for name, one in everybody.items() if name not in {"nobody", "expired"}}
    things = await live_through(callers["operator"], callers["pharmacist"])
    lines: list[str] = []
    for route in READ:
        replies = {name: await _asked(one, route, things) for name, one in callers.items()}
        lines += _told(route, replies, JSON_TYPE)
        if CSV_TYPE in route.answers.or_as:
            table = {"format": "csv"}
            replies = {
                name: await _asked(one, route, things, table) for name, one in callers.items()
            }
            lines += _told(route, replies, CSV_TYPE)
    found = "\n".join(lines) + "\n"
    if os.environ.get("EVERSTOCK_WRITE_MATRIX"):
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")


def test_s8_no_field_is_named_after_what_proves_somebody() -> None:
    """But where it is made, which is no address that is read."""
    fields = {path for route in READ for path in DESCRIBED.named(_schema(route))}
    assert len(fields) > 300
    assert [path for path in fields if any(word in path.lower() for word in NEVER)] == []


# --- private ----------------------------------------------------------------------------------------------------


async def _asked(
    caller: ApiCaller, route: Route, things: Things, more: dict[str, str] | None = None
) -> Reply:
    parameters = {**matrix.parameters(route, "S01"), **(more or {})}
    path = things.path(route, "S01")
    if route.path.endswith("/sealed"):
        path = route.path.format(id=things.ids["sealed"]["S01"])
    return await caller.ask("GET", path, params=parameters)


def _told(route: Route, replies: dict[str, Reply], media_type: str) -> list[str]:
    """An address, whom it answers, and its fields by those to whom each shows something."""
    answered = {name: one for name, one in replies.items() if one.status == 200}
    schema = _schema(route)
    named = DESCRIBED.named(schema) if media_type == JSON_TYPE else []
    shown: dict[str, list[str]] = {path: [] for path in named}
    for name, reply in answered.items():
        assert reply.headers["Content-Type"].partition(";")[0] == media_type
        is_json = media_type == JSON_TYPE
        for path in DESCRIBED.filled(schema, reply.json()) if is_json else _columns(reply):
            shown.setdefault(path, []).append(name)
    by_whom: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path in sorted(shown):
        by_whom[tuple(shown[path])].append(path)
    what = "" if media_type == JSON_TYPE else " as a table"
    lines = [f"GET {route.path}{what}: {' '.join(answered) or 'nobody, here'}"]
    for whom in sorted(by_whom, key=lambda names: (-len(names), names)):
        head = "all" if whom == tuple(answered) and whom else " ".join(whom) or "none"
        text = f"{head}: {' '.join(by_whom[whom])}"
        lines += textwrap.wrap(
            text,
            140,
            initial_indent="    ",
            subsequent_indent="        ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def _columns(reply: Reply) -> set[str]:
    """The columns of a table in which something stands."""
    rows = csv.DictReader(io.StringIO(reply.body.decode()))
    return {name for row in rows for name, cell in row.items() if cell}


def _schema(route: Route) -> dict[str, object]:
    answers = DOCUMENT["paths"][route.path]["get"]["responses"]
    found: dict[str, object] = answers["200"]["content"][JSON_TYPE]["schema"]
    return found
