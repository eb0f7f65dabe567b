"""Many nodes that have nothing to say, in one process: real sessions over real WebSockets, and no store.

`python -m tests.bench.idle_nodes` reads from stdin whom to be, prints `<monotonic seconds> <open sessions>` whenever
their number changes, and works until it is ended. They come back by the product's own rule of patience.
"""

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

import uvloop
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, WSMsgType
from nacl.signing import SigningKey

from node.uplink import ASKED_BACK, failures_after, longest_wait_ms
from protocol.chain import CHAIN_START
from protocol.errors import ProtocolError
from protocol.frames.handshake import Hello
from protocol.ids import NO_SALT, ChainId, Epoch, HubSeq, ReplicaId, Seq
from protocol.limits import CLOCK_EXCHANGE_S, FRAME_BYTES_MAX, HANDSHAKE_S_MAX, HEARTBEAT_S
from protocol.session.hello import LocalLog
from protocol.session.node import Identity, NodeSession, State
from protocol.session.node_actions import Action, Ended, Send, Welcomed
from protocol.wire import FEATURES, SUBPROTOCOL, VERSIONS
from runtime.version import SOFTWARE
from runtime.world import World

_TELL_S: Final = 0.05


@dataclass(slots=True)
class Crowd:
    """What all nodes of this process share."""

    http: ClientSession
    url: str
    world: World
    open_sessions: int = 0


class IdleNode:
    """One node with an empty log."""

    def __init__(self, crowd: Crowd, identity: Identity) -> None:
        self._crowd = crowd
        self._identity = identity
        self._replica = ReplicaId(crowd.world.random_bytes(16))
        self._boot = crowd.world.random_bytes(16)
        self._epoch: Epoch | None = None

    async def stay_connected(self) -> None:
        """Have a session, or try to, for ever; waits as `node.uplink` does."""
        world = self._crowd.world
        failures, there_s = 0, world.monotonic_s()
        while True:
            began_s = world.monotonic_s()
            is_there, retry_ms = False, 0
            with contextlib.suppress(ClientError, OSError, TimeoutError, ProtocolError):
                is_there, retry_ms = await self._session()
            now_s = world.monotonic_s()
            there_s = now_s if is_there else there_s
            failures = failures_after(failures, now_s - began_s, hub_is_there=is_there)
            jitter_ms = world.jitter_ms(longest_wait_ms(failures, away_s=now_s - there_s))
            await asyncio.sleep((retry_ms + jitter_ms) / 1000)

    async def _session(self) -> tuple[bool, int]:
        """One session to its end; whether the hub took it or asked it back, and how long it is to wait."""
        crowd = self._crowd
        session = NodeSession(self._identity, self._hello(), crowd.world.random_bytes(32))
        async with asyncio.timeout(HANDSHAKE_S_MAX):
            line = await crowd.http.ws_connect(
                f"{crowd.url}/v1/session",
                protocols=[SUBPROTOCOL],
                max_msg_size=FRAME_BYTES_MAX,
                heartbeat=HEARTBEAT_S,
                compress=0,
            )
        was_live, retry_ms, asked_back = False, 0, False
        async with line:
            clocks = asyncio.create_task(self._compare_clocks(line, session))
            try:
                while session.state is not State.ENDED:
                    message = await line.receive(timeout=None if was_live else HANDSHAKE_S_MAX)
                    if message.type is not WSMsgType.BINARY:
                        break
                    for action in session.receive(message.data, crowd.world.now_ms()):
                        if isinstance(action, Ended):
                            retry_ms = action.close.retry_ms
                            asked_back = action.close.code in ASKED_BACK
                        await self._do(action, line, session)
                    if session.state is State.LIVE and not was_live:
                        was_live = True
                        crowd.open_sessions += 1
            finally:
                clocks.cancel()
                crowd.open_sessions -= was_live
        return was_live or asked_back, retry_ms

    async def _do(self, action: Action, line: Any, session: NodeSession) -> None:
        match action:
            case Send(data):
                await line.send_bytes(data)
            case Welcomed(welcome, _):
                self._epoch = welcome.epoch
                log = LocalLog(Seq(0), Seq(1), Seq(0), CHAIN_START)
                for follows in session.log_compared(welcome.chain, log):
                    await self._do(follows, line, session)
            case _:
                pass  # a node that keeps nothing has nothing to store

    async def _compare_clocks(self, line: Any, session: NodeSession) -> None:
        while True:
            await asyncio.sleep(CLOCK_EXCHANGE_S)
            if session.state is State.LIVE:
                for action in session.ping(self._crowd.world.now_ms(), 0):
                    await self._do(action, line, session)

    def _hello(self) -> Hello:
        return Hello(
            replica=self._replica,
            boot=self._boot,
            versions=VERSIONS,
            features=FEATURES,
            software=SOFTWARE,
            last_seq=Seq(0),
            log_base=Seq(1),
            acked_seen=Seq(0),
            epoch=self._epoch,
            cursor=(HubSeq(0), NO_SALT),  # as a node says it that holds no scope yet
            exceptions={},
            status_seen=Seq(0),
            clock_ms=self._crowd.world.now_ms(),
        )


async def _be(order: dict[str, Any]) -> None:
    chain, hub_key = ChainId(bytes.fromhex(order["chain"])), bytes.fromhex(order["hub_key"])
    timeout = ClientTimeout(connect=HANDSHAKE_S_MAX)
    async with ClientSession(connector=TCPConnector(limit=0), timeout=timeout) as http:
        crowd = Crowd(http, order["url"], World())
        async with asyncio.TaskGroup() as group:
            for certificate, key in order["nodes"]:
                signing_key = SigningKey(bytes.fromhex(key))
                identity = Identity(bytes.fromhex(certificate), signing_key, chain, hub_key)
                group.create_task(IdleNode(crowd, identity).stay_connected())
            told = -1
            while True:
                if crowd.open_sessions != told:
                    told = crowd.open_sessions
                    print(f"{time.monotonic():.3f} {told}", flush=True)
                await asyncio.sleep(_TELL_S)


if __name__ == "__main__":
    uvloop.run(_be(json.loads(sys.stdin.readline())))
