"""The controlled-drug register over HTTP: recorded as any movement is, read in pages and as a table."""

import csv
import io

from tests.node.api.caller import ApiCaller, movement
from tests.node.api.test_documents import created, fits

ADDRESS = "/v1/reports/controlled"


async def with_entries(operator: ApiCaller, till: ApiCaller) -> str:
    """Ten came, three were dispensed, which was taken back; the id of what was."""
    morphine = {"id": "morphine", "name": "Morphine", "controlled": True, "witness": True}
    await created(operator, "skus", morphine, "s")
    came = movement("receive", ("morphine", 10), ("tea", 5), reference="D-77")
    assert (await operator.record("came", came)).status == 201
    out = movement("dispense", ("morphine", -3), witness="pharmacist", reference="R-1")
    id_: str = (await till.record("out", out)).json()["id"]
    address, headers = f"/v1/movements/{id_}/reverse", {"Idempotency-Key": "back"}
    back = await till.ask("POST", address, json={"witness": "pharmacist"}, headers=headers)
    assert back.status == 201
    return id_


async def test_the_register_is_shown_in_pages_and_as_a_table(
    operator: ApiCaller, till: ApiCaller
) -> None:
    id_ = await with_entries(operator, till)
    register = await till.get(ADDRESS)
    fits(register, "ControlledRegister")
    assert register["totals"] == {"location": "S01", "controlled_skus": 1}
    rows = register["items"]
    told = [(row["kind"], row["quantity_in"], row["quantity_out"], row["balance"]) for row in rows]
    assert told == [("receive", 10, 0, 10), ("dispense", 0, 3, 7), ("reversal", 3, 0, 10)]
    assert (rows[1]["id"], rows[1]["witness"], rows[2]["reverses"]) == (id_, "pharmacist", id_)
    assert rows[-1]["balance"] == await till.on_hand("morphine")
    reply = await till.ask("GET", ADDRESS, params={"format": "csv"})
    lines = list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))
    assert [line["balance"] for line in lines] == ["10", "7", "10"]
    assert [line["witness"] for line in lines] == ["", "pharmacist", "pharmacist"]
    first = await till.get(ADDRESS, limit=2)
    rest = await till.get(ADDRESS, limit=2, cursor=first["next"])
    assert (first["items"] + rest["items"], rest["next"]) == (rows, None)


async def test_the_register_is_asked_for_by_what_there_is(
    operator: ApiCaller, till: ApiCaller, office: ApiCaller
) -> None:
    await with_entries(operator, till)
    assert len((await till.get(ADDRESS, sku="morphine", lot=""))["items"]) == 3
    for parameters in (
        {"sku": "morphine", "lot": "L1"},
        {"sku": "tea"},
        {"until": "2001-01-01T00:00:00Z"},
    ):
        assert (await till.get(ADDRESS, **parameters))["items"] == []
    for parameters in ({"lot": "L1"}, {"since": "yesterday"}, {"cursor": "k6NhYmM"}):
        reply = await till.ask("GET", ADDRESS, params=parameters)
        assert (reply.status, reply.code) == (422, "validation_failed")
    for caller, parameters in ((till, {"location": "S02"}), (office, {})):
        reply = await caller.ask("GET", ADDRESS, params=parameters)
        assert (reply.status, reply.code) == (409, "movements_not_held")
