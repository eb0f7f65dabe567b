"""A caller of every kind at a node of head office that writes two locations as well."""

import json
from hashlib import blake2b
from typing import Any, Final

from node.node import Node
from protocol.access.table import PersonRole
from protocol.limits import SESSION_S_MAX
from tests.node.api.caller import ApiCaller, Http
from tests.security.people.staff import Clock, hire, signed_in

OFFICE: Final = {"hq_admin", "buyer", "auditor"}
"""Roles that are held in the whole chain; every other is held at S01."""


async def callers_of_every_kind(
    http: Http, operator: ApiCaller, node: Node, clock: Clock
) -> dict[str, ApiCaller]:
    """Somebody of every role, one of another shop, a till, the operator, one whose session ended, and nobody."""
    await hire(operator, "gone", "clerk")
    expired = await signed_in(http, "gone")
    clock.passes(SESSION_S_MAX + 1)
    callers = {"nobody": ApiCaller(http, "x"), "expired": expired}
    for role in PersonRole:
        name = "till_person" if role is PersonRole.TILL else role.value
        location = "*" if role.value in OFFICE else "S01"
        await hire(operator, name.replace("_", "-"), role.value, location)
        callers[name] = await signed_in(http, name.replace("_", "-"))
    await hire(operator, "other", "manager", "S02")
    callers["manager_of_S02"] = await signed_in(http, "other")
    callers["till"] = ApiCaller(http, await node.callers.create_token("till-7"))
    callers["operator"] = operator
    return callers


async def said(operator: ApiCaller, path: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What is answered to a write that is made."""
    key = blake2b(json.dumps([path, asked]).encode(), digest_size=16).hexdigest()
    headers = {"Idempotency-Key": key}
    reply = await operator.ask("POST", f"/v1/{path}", json=asked, headers=headers)
    assert reply.status in {200, 201}, (path, reply)
    answer: dict[str, Any] = reply.json()
    return answer
