"""What a revoked node held of what proves people: told by the command, kept in the audit, asked again until it is set."""

import json
from typing import Any

from protocol.departure import held_of, mark, verify
from protocol.effects import FieldEffect
from tests.hub.conftest import Running
from tests.store.shop import CHAIN, HUB_KEY, Shop, edited

USER = "2f1c8a52-0000-4000-8000-000000000001"
VERIFIER = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"


def credential(shop: str, field: str, value: object, at: int) -> FieldEffect:
    """A field of what proves somebody at a shop."""
    effect = edited(f"{shop}/{USER}", field, value, at=at, scopes=(f"people:{shop}",))
    return effect._replace(collection="credentials")


def hires(shop: Shop) -> None:
    """Have somebody who signs in by a password and a PIN at the shop."""
    name = edited(
        USER, "username", "ann", at=1, scopes=("directory", f"people:{shop.name}")
    )._replace(collection="users")
    shop.records(name, kind="edit")
    for at, means in enumerate(("password", "pin"), start=2):
        shop.records(credential(shop.name, means, VERIFIER, at), kind="edit")


async def revoked(running: Running, name: str) -> list[dict[str, Any]]:
    """What the command answers."""
    answer = await running.post("/v1/operator/revoke", {"name": name})
    assert answer.status == 200
    found: list[dict[str, Any]] = (await answer.json())["credentials"]
    return found


async def pushed(running: Running, *shops: Shop) -> None:
    """Have the hub take what these shops recorded."""
    for shop in shops:
        await shop.opens(running.hub.store)
        await shop.pushes(running.hub.store)


async def test_s30_the_command_answers_whose_credentials_it_held_and_asks_until_they_are_set(
    running: Running,
) -> None:
    stolen, other = Shop("S01"), Shop("S02")
    beside = Shop("S01b", writes=("S01",))
    hires(stolen)
    hires(other)
    await pushed(running, stolen, other)
    (held,) = await revoked(running, "S01")
    assert (held["location"], held["user"], held["username"]) == ("S01", USER, "ann")
    assert held["proves"] == ["password", "pin"]
    assert await revoked(running, "S01") == [held], "nothing was set since"
    (record,) = (await running.hub.store.departures()).values()
    assert verify(record, bytes(HUB_KEY.verify_key), CHAIN).held == held_of(["S01"], "*")
    beside.records(credential("S01", "reset_for", mark(record), 9), kind="edit")
    await pushed(running, beside)
    assert await revoked(running, "S01") == []


async def test_s30_the_list_is_in_the_audit_without_what_proves_anybody(running: Running) -> None:
    stolen = Shop("S01")
    hires(stolen)
    await pushed(running, stolen)
    await revoked(running, "S01")
    answer = await running.get("/v1/audit?source=notes&action=note.reset_forced")
    (told,) = (await answer.json())["items"]
    assert (told["entity_type"], told["entity_id"]) == ("credentials", f"S01/{USER}")
    said = told["payload"] if isinstance(told["payload"], dict) else json.loads(told["payload"])
    assert said == {
        "location": "S01",
        "username": "ann",
        "held_by": "S01",
        "set": ["password", "pin"],
    }


async def test_of_a_retired_node_nothing_is_to_be_set_anew(running: Running) -> None:
    leaving = Shop("S01")
    hires(leaving)
    await pushed(running, leaving)
    assert (await running.post("/v1/operator/retire", {"name": "S01"})).status == 200
    answer = await running.get("/v1/audit?source=notes&action=note.reset_forced")
    assert (await answer.json())["items"] == []
