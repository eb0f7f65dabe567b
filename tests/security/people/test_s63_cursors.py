"""S63: the cursor of somebody who may see more shows nothing more to somebody else."""

from typing import Any

import pytest

from node.api.routes import routes
from tests.node.api.caller import ApiCaller
from tests.security.people import matrix
from tests.security.people.callers import said

LISTS = [
    one
    for one in routes()
    if one.method == "GET"
    and one.is_narrowed
    and "{" not in one.path
    and one.path != "/v1/messages"  # the operator reads none
]
PEOPLE = ("manager_of_S02", "cashier", "clerk")


async def test_s63_a_cursor_of_the_operators_shows_a_shops_people_their_own_and_no_more(
    everybody: dict[str, ApiCaller],
) -> None:
    operator = everybody["operator"]
    await _papers(operator)
    looked = 0
    for route in LISTS:
        asked = {k: v for k, v in matrix.parameters(route, "S01").items() if k != "location"}
        for cursor in await _cursors(operator, route.path, asked):
            for name in PEOPLE:
                caller = everybody[name]
                own = await caller.ask("GET", route.path, params={**asked, "limit": 100})
                there = await caller.ask(
                    "GET", route.path, params={**asked, "limit": 100, "cursor": cursor}
                )
                assert there.status == own.status, (route.path, name)
                if own.status == 200:
                    looked += 1
                    assert _ids(there.json()) <= _ids(own.json()), (route.path, name)
    assert looked >= 3 * len(PEOPLE) * 2


@pytest.mark.parametrize("path", ["/v1/movements", "/v1/audit"])
async def test_s63_nor_where_a_location_has_to_be_named(
    path: str, everybody: dict[str, ApiCaller]
) -> None:
    operator, manager = everybody["operator"], everybody["manager_of_S02"]
    await _papers(operator)
    (cursor, *_) = await _cursors(operator, path, {"location": "S01"})
    asked: dict[str, Any] = {"limit": 100, "cursor": cursor}
    theirs = await manager.ask("GET", path, params={**asked, "location": "S01"})
    assert (theirs.status, theirs.code) == (403, "forbidden")
    own = await manager.ask("GET", path, params={**asked, "location": "S02"})
    if own.status != 200:
        assert own.code == "validation_failed", "it is the cursor of another list"
        return
    without = await manager.get(path, limit=100, location="S02")
    assert _ids(own.json()) <= _ids(without)


# --- private ----------------------------------------------------------------------------------------------------


async def _papers(operator: ApiCaller) -> None:
    """Three of each kind at either shop, so that a page of one has another after it."""
    await said(operator, "skus", {"id": "tea", "name": "Tea"})
    for location in ("S01", "S02"):
        for at in range(3):
            here = {"location": location, "note": f"{at}"}
            order = {"kind": "purchase", **here, "lines": [{"sku": "tea", "quantity": 1}]}
            await said(operator, "orders", order)
            await said(operator, "stocktakes", here)
            await said(operator, "alerts", {**here, "sku": "tea", "threshold": at + 1})
            line = {"sku": "tea", "delta": at + 1}
            moved = {"kind": "receive", **here, "lines": [line]}
            await said(operator, "movements", moved)


async def _cursors(operator: ApiCaller, path: str, asked: dict[str, str]) -> list[str]:
    """Every cursor that the operator gets, one thing a page."""
    found: list[str] = []
    following = None
    while len(found) < 10:
        more = {} if following is None else {"cursor": following}
        page = await operator.get(path, **asked, limit=1, **more)
        following = page["next"]
        if following is None:
            break
        found.append(following)
    return found


def _ids(page: dict[str, Any]) -> set[str]:
    return {str(one["id"]) for one in page["items"]}
