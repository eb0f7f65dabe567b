"""S23: whoever is unknown costs what somebody costs whose password is wrong: the same looks, with the same parameters.

Work is counted, not timed. What the times are says `python -m tests.security.people.sign_in_times`.
"""

from collections import Counter
from dataclasses import astuple
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters

from node.node import Node
from node.people.passwords import Hashing
from protocol.limits import SIGN_IN_FAILURES_MAX, USERNAME_CHARS_MAX
from tests.node.api.caller import ApiCaller, Http
from tests.security.people.staff import FAST, PASSWORD, hire, log_in
from tests.security.people.test_accounts import sign_up

OTHER = "another long enough secret"
Work = tuple[str, tuple[Any, ...]]
"""A look or a hash, and with which parameters."""


def parameters_of(verifier: str) -> tuple[Any, ...]:
    """How much work a verifier asks for: its kind, version, lengths, passes, memory and lanes."""
    return astuple(extract_parameters(verifier))


WORK = parameters_of(FAST.hash("any"))
ONE_LOOK = Counter({("look", WORK): 1})
NONE: Counter[Work] = Counter()


class Counted(PasswordHasher):
    """Does what every hasher does, and remembers how much it was asked to do."""

    done: Counter[Work]

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 # the library's name
        """Look, with the parameters that the verifier asks for."""
        self.done[("look", parameters_of(str(hash)))] += 1
        return super().verify(hash, password)

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        """Hash, with this one's own."""
        found = super().hash(password, salt=salt)
        self.done[("hash", parameters_of(found))] += 1
        return found

    def taken(self) -> Counter[Work]:
        """What was done since it was asked last."""
        done, self.done = self.done, Counter()
        return done


@pytest.fixture
async def counted(node: Node, http: Http, operator: ApiCaller) -> Counted:
    """Give the hasher of a node at which ann works, bob is disabled, and cleo waits for somebody to look at her account."""
    hasher = Counted(FAST.time_cost, FAST.memory_cost, FAST.parallelism)
    hasher.done = Counter()
    node.people.sign_ins.hashing = Hashing(hasher)
    await hire(operator, "ann", "cashier")
    bob = await hire(operator, "bob", "cashier")
    body = {"location": "S01"}
    assert (await operator.ask("POST", f"/v1/users/{bob}/disable", json=body)).status == 200
    await sign_up(http, "cleo")
    await log_in(http, "somebody", "who came first")  # nobody's verifier is made at the first look
    hasher.taken()
    return hasher


@pytest.mark.parametrize(
    ("username", "password", "location"),
    [
        ("nobody", PASSWORD, None),
        ("ann", OTHER, None),
        ("bob", PASSWORD, None),
        ("bob", OTHER, None),
        ("cleo", OTHER, None),
        ("ann", PASSWORD, "S99"),
        ("ANN \u0000 ' OR 1=1 --", OTHER, None),
        ("x" * (USERNAME_CHARS_MAX + 1), OTHER, None),
    ],
)
async def test_s23_every_sign_in_that_fails_is_one_look_of_the_same_work(
    username: str, password: str, location: str | None, counted: Counted, http: Http
) -> None:
    more = {} if location is None else {"location": location}
    assert (await log_in(http, username, password, **more)).status == 401
    assert counted.taken() == ONE_LOOK


async def test_s23_so_is_one_that_succeeds(counted: Counted, http: Http) -> None:
    assert (await log_in(http, "ann")).status == 201
    assert counted.taken() == ONE_LOOK


@pytest.mark.parametrize("username", ["ann", "bob", "cleo", "nobody"])
async def test_s23_a_locked_name_is_not_looked_at_whoever_has_it(
    username: str, counted: Counted, http: Http
) -> None:
    for _ in range(SIGN_IN_FAILURES_MAX):
        await log_in(http, username, OTHER)
    assert sum(counted.taken().values()) == SIGN_IN_FAILURES_MAX
    assert (await log_in(http, username, PASSWORD)).status == 429
    assert counted.taken() == NONE


@pytest.mark.parametrize("address", ["/v1/shifts", "/v1/witnesses"])
@pytest.mark.parametrize("username", ["ann", "bob", "cleo", "nobody"])
async def test_s23_so_is_every_pin_that_is_wrong(
    address: str, username: str, counted: Counted, till: ApiCaller
) -> None:
    """Nobody of them has one."""
    reply = await till.ask("POST", address, json={"username": username, "pin": "4711"})
    assert (reply.status, reply.code) == (401, "unauthenticated")
    assert counted.taken() == ONE_LOOK


async def test_s23_a_name_that_is_taken_is_as_much_work_to_ask_for_as_one_that_is_free(
    counted: Counted, http: Http
) -> None:
    done = []
    for username in ("ann", "bob", "free"):
        await sign_up(http, username, OTHER)
        done.append(counted.taken())
    assert done == [Counter({("hash", WORK): 1})] * 3
