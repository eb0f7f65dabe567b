"""Whoever holds a token may call, as the store says: from its commit on, and until it is revoked."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from node.callers import Callers
from node.commands.requests import Authority, Caller, Refusal
from node.joining import OPERATOR
from node.replica import SCHEMA, tokens
from runtime.keys import token_digest
from runtime.store import Store
from runtime.world import World
from tests.runtime.held_writer import PATIENCE_S

IsValid = Callable[[bytes], bool]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store that has given out no token."""
    opened = await Store.open(tmp_path / "node.db", SCHEMA)
    yield opened
    await opened.close()


def nothing_open(_is_valid: IsValid) -> None:
    """Nobody has opened anything."""


async def test_a_token_works_from_its_commit_on_also_if_whoever_asked_is_gone(
    store: Store,
) -> None:
    loop, let_go = asyncio.get_running_loop(), threading.Event()
    within = asyncio.Event()

    def now_ms() -> int:
        loop.call_soon_threadsafe(within.set)
        assert let_go.wait(PATIENCE_S), "never released"
        return 1_000

    callers = Callers(store.write, World(now_ms=now_ms), {}, nothing_open)
    asked = asyncio.create_task(callers.create_token("till-1"))
    await within.wait()
    assert callers.count_tokens("till-1") == 0
    asked.cancel()
    let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await asked
    kept = await store.write(tokens.read_all)
    assert list(kept.values()) == [Caller("till-1", Authority.TILL)]
    assert callers.count_tokens("till-1") == 1


async def test_what_a_revoked_token_had_opened_ends_and_other_tokens_work_on(
    store: Store,
) -> None:
    asked: list[list[bool]] = []

    def end_revoked(is_valid: IsValid) -> None:
        asked.append([is_valid(token_digest(token)) for token in made])

    callers = Callers(store.write, World(), {}, end_revoked)
    made = [await callers.create_token(name) for name in ("till-1", "till-2", "till-1")]
    assert await callers.revoke_tokens("till-1") == 2
    assert asked == [[False, True, False]]
    assert [callers.authenticate(token) for token in made] == [
        None,
        Caller("till-2", Authority.TILL),
        None,
    ]
    assert list(await store.read(tokens.read_all)) == [token_digest(made[1])]


async def test_the_operators_name_is_no_tills_and_its_token_outlives_any(store: Store) -> None:
    callers = Callers(store.write, World(), {token_digest("o"): OPERATOR}, nothing_open)
    with pytest.raises(Refusal) as refused:
        await callers.create_token(OPERATOR.name)
    assert refused.value.code == "validation_failed"
    assert await callers.revoke_tokens(OPERATOR.name) == 0
    assert callers.authenticate("o") == OPERATOR
