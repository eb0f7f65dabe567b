"""S63: a cursor says where a page begins and nothing else, so whoever makes one up gains nothing; lists are capped.

A cursor is no secret and carries no right: each page is asked for under the rights of whoever asks. So what is proved is
that one that was forged, cut, or given by another list is refused, or shows a part of what the list shows anyway.
"""

import base64
import random
from typing import Any

import msgpack
import pytest

from node.api.queries import Query
from protocol.limits import LIST_LIMIT_MAX
from tests.node.api.caller import ApiCaller, movement
from tests.security.addresses import BLANKS, ROUTES

PERSONAL = {"/v1/messages"}
"""What only a person reads: refused to the operator, whose requests these are, before its parameters are looked at."""
LISTS = [
    route.path.format(**BLANKS)
    for route in ROUTES
    if route.method == "GET" and "cursor" in getattr(route.argument_of(Query), "model_fields", ())
    if route.path not in PERSONAL
]
NEEDED = {
    "/v1/skus": {"q": "apple"},
    "/v1/reports/controlled": {"location": "S01"},
    "/v1/reports/movements": {"location": "S01"},
}
SEED = 20261122
FORGED_EACH = 12


def packed(value: object) -> str:
    """A cursor made up out of a value."""
    return base64.urlsafe_b64encode(msgpack.packb(value)).decode().rstrip("=")


MADE_UP = [
    *("", "=", "A", "!!!!", "AAAA", "caf\u00e9", "' OR 1=1 --", "../../etc/passwd", "%00"),
    *(packed(value) for value in ([], [None], [True], [-1], [0], [2**62], [2**64 - 1], {}, "x")),
    *(packed(value) for value in (["S01"], ["S01", "A1"], ["\x00"], ["S01", 1], [1.5], [[[[]]]])),
    packed(["S02", "A1", "", 0]),
    packed([b"bytes"]),
]


def changed(cursor: str, chance: random.Random) -> str:
    """A cursor with something done to it."""
    at = chance.randrange(len(cursor))
    letter = chance.choice("ABCabc019-_=/+ ")
    return chance.choice(
        (cursor[:at], cursor[:at] + letter + cursor[at + 1 :], cursor[:at] + letter + cursor[at:])
    )


async def shown(caller: ApiCaller, path: str, **parameters: str | int) -> tuple[int, Any]:
    """A page of a list."""
    asked = {**NEEDED.get(path, {}), **parameters}
    reply = await caller.ask("GET", path, params=asked)
    return reply.status, reply.json()


@pytest.fixture
async def stocked(till: ApiCaller, operator: ApiCaller) -> ApiCaller:
    """Give the operator of a shop that has something to list."""
    for number in range(4):
        reply = await till.record(f"k{number}", movement("opening", (f"A{number}", 5)))
        assert reply.status == 201
    return operator


def test_s63_the_lists_were_found() -> None:
    assert {"/v1/movements", "/v1/stock", "/v1/skus"} <= set(LISTS)
    assert len(LISTS) > 10


async def test_s63_a_cursor_that_was_made_up_shows_no_more_than_the_list(
    stocked: ApiCaller,
) -> None:
    chance = random.Random(SEED)
    print("seed", SEED)
    for path in LISTS:
        status, whole = await shown(stocked, path, limit=LIST_LIMIT_MAX)
        if status != 200:
            assert status in {404, 409, 422}, (path, whole)
            continue
        rows = whole["items"]
        _, first = await shown(stocked, path, limit=1)
        real = first["next"]
        forged = chance.sample(MADE_UP, FORGED_EACH)
        if real is not None:
            forged += [changed(real, chance) for _ in range(FORGED_EACH)]
        for cursor in forged:
            status, page = await shown(stocked, path, limit=LIST_LIMIT_MAX, cursor=cursor)
            assert status in {200, 422}, (path, cursor, page)
            if status == 200:
                assert all(row in rows for row in page["items"]), (path, cursor)
            else:
                assert cursor not in page["detail"] or cursor in {"", "A"}


async def test_s63_a_cursor_of_one_list_shows_no_more_of_another(stocked: ApiCaller) -> None:
    real = {}
    for path in ("/v1/movements", "/v1/stock"):
        _, page = await shown(stocked, path, limit=1)
        real[path] = page["next"]
    assert all(real.values())
    for path in LISTS:
        status, whole = await shown(stocked, path, limit=LIST_LIMIT_MAX)
        if status != 200:
            continue
        for cursor in real.values():
            status, page = await shown(stocked, path, limit=LIST_LIMIT_MAX, cursor=cursor)
            assert status in {200, 422}, path
            assert status == 422 or all(row in whole["items"] for row in page["items"]), path


@pytest.mark.parametrize(
    "limit", ["1000000000", "1001", "0", "-1", "1e3", "0x10", "5.0", " 5", "\u0665", "", "nan"]
)
async def test_s63_no_list_is_longer_than_its_cap(limit: str, stocked: ApiCaller) -> None:
    for path in LISTS:
        status, answer = await shown(stocked, path, limit=limit)
        assert (status, answer["code"]) == (422, "validation_failed"), path
