"""A shop's staff: people with every role, whose passwords are quickly looked at, and a clock that tests turn."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from argon2 import PasswordHasher

from node.commands import documents
from node.joining import OPERATOR
from node.node import Node
from node.people.passwords import Hashing
from protocol.certificate import Role
from protocol.declarations.vocabulary import Collection
from runtime.world import World
from tests.node.api.caller import ApiCaller, Http, Reply

PASSWORD: Final = "a long enough secret"
FAST: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
JOINED_MS: Final = 1_700_000_000_000
"""When the certificate of `tests.node.enrolled` was issued: the hub's last word."""
HOUR_MS: Final = 3_600_000


@dataclass
class Clock:
    """A clock that may be put back, and one that may not."""

    wall_ms: int = JOINED_MS + HOUR_MS
    monotonic_s: float = 1_000.0

    def world(self) -> World:
        """A machine with these clocks."""
        return World(now_ms=lambda: self.wall_ms, monotonic_s=lambda: self.monotonic_s)

    def passes(self, seconds: float) -> None:
        """Let time pass on both."""
        self.wall_ms += int(seconds * 1000)
        self.monotonic_s += seconds


def quickly(node: Node) -> Node:
    """The node, with passwords that are quickly looked at."""
    node.people.sign_ins.hashing = Hashing(FAST)
    return node


async def hire(
    boss: ApiCaller, username: str, role: str | None, location: str = "S01", **others: Any
) -> str:
    """Have somebody made by `boss`; their id."""
    body = {"username": username, "role": role, "location": location, "password": PASSWORD}
    made = await boss.ask("POST", "/v1/users", json={**body, **others})
    assert made.status == 201, made
    return str(made.json()["id"])


async def office_says(node: Node, collection: Collection, asked: Mapping[str, object]) -> None:
    """Put a document into a shop's node as if the office had written it and it had come by the feed."""
    here = node._here()
    office = replace(here, certificate=here.certificate._replace(role=Role.OFFICE))
    await node._write(
        lambda db: documents.create(db, office, OPERATOR, collection, asked, f"office {asked}")
    )


async def log_in(http: Http, username: str, password: str = PASSWORD, **others: Any) -> Reply:
    """Try to sign in."""
    body = {"username": username, "password": password, **others}
    async with http.post("/v1/login", json=body) as response:
        return await Reply.read(response)


async def signed_in(http: Http, username: str, password: str = PASSWORD) -> ApiCaller:
    """Sign in."""
    reply = await log_in(http, username, password)
    assert reply.status == 201, reply
    return ApiCaller(http, reply.json()["token"])
