"""After the crash the daemon itself is started again, and every till repeats what it was answered before.

Invariant: the answer to a repeat is the first one, byte for byte, and nothing is recorded again. The other checks open a folder as the daemon
would; this one leaves nothing out, and takes seconds a state.
"""

from random import Random
from typing import Final

import aiohttp

from deploy.client import Client
from deploy.process import Daemon
from tests.crash.explore import Layout, Scratch, State, image_of
from tests.crash.nodes import NodeChecker
from tests.crash.recording import Recording, Told

_ANSWER_S_MAX: Final = 30.0


def moments(recording: Recording, count: int, seed: int) -> list[State]:
    """Some states after the first answer."""
    told = [at for at, event in enumerate(recording.events, 1) if isinstance(event, Told)]
    rng = Random(seed)
    return [State(rng.randrange(told[2], len(recording.events)), draw) for draw in range(count)]


async def repeat_all(recording: Recording, state: State, seed: int) -> int:
    """Start the node on one state's folder and repeat every request that was answered before the crash; how many.

    Raises: AssertionError for an answer that is not the first one.
    """
    with Scratch() as place:
        checked = place / "checked"
        checked.mkdir()
        checker = NodeChecker(checked, recording.knowledge)
        folder = Layout(place / "node", opened="")
        folder.lay(image_of(recording, checker, state, seed))
        daemon = Daemon("node", folder.folder, place / "node.log")
        await daemon.start()
        try:
            async with aiohttp.ClientSession() as http:
                client = Client(http, daemon.url, str(recording.knowledge["token"]))
                await _repeat(client, recording, checker)
            await daemon.stop()
        finally:
            await daemon.kill()
    return len(checker.answered) + len(checker.promises.repeatable)


async def _repeat(client: Client, recording: Recording, checker: NodeChecker) -> None:
    requests = recording.knowledge["requests"]
    assert isinstance(requests, dict)
    before = await _count(client)
    for movement, first in checker.answered.items():
        path, key, body = requests[movement]
        again = await client.send(path, body, key, timeout_s=_ANSWER_S_MAX)
        assert again.status == 201, (movement, again)
        assert again.replayed, movement
        assert again.json()["id"] == movement
        assert first in {b"", again.body}, movement
    for path, key, asked, answer in checker.promises.repeatable:
        again = await client.send(path, asked, key, timeout_s=_ANSWER_S_MAX)
        assert again.replayed, path
        assert again.body == answer, path
    assert await _count(client) == before, "a repeat was recorded again"


async def _count(client: Client) -> int:
    return len([movement async for movement in client.rows("/v1/movements")])
