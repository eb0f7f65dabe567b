"""A whole chain on one machine, from outside: a hub and its nodes as real processes on loopback.

Knows only the two commands and the HTTP interface. Invariant: whatever it started is gone after `close`, by
process id, however far `start` came. A daemon keeps its port over restarts, as a till expects.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Self

import aiohttp

from deploy.client import REQUEST_S_MAX, Client, Json, RefusedError
from deploy.cutting_proxy import CuttingProxy
from deploy.process import Daemon, Module, run_command

HUB: Final = "hub"
COMMANDS_AT_ONCE: Final = 4
"""Starting an interpreter is all processor time: more at once only makes each of them late."""

Line = Literal["direct", "cuttable"]
Serve = Literal["now", "later"]


@dataclass(slots=True)
class LocalNode:
    """One enrolled node: its folder and daemon, what it writes, and its line to the hub if that can be cut."""

    name: str
    daemon: Daemon
    writes: tuple[str, ...]
    link: CuttingProxy | None = None
    till_tokens: dict[str, str] = field(default_factory=dict)


class LocalChain:
    """`async with LocalChain(folder) as chain`: then `start_hub`, `add_node`, and do what a day does to them.

    Daemons are named `hub` and by their node's name; folders and logs have the same names in `folder`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.nodes: dict[str, LocalNode] = {}
        self._hub: Daemon | None = None
        self._http: aiohttp.ClientSession | None = None
        self._office_code = ""
        self._commands = asyncio.Semaphore(COMMANDS_AT_ONCE)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def hub(self) -> Daemon:
        assert self._hub is not None, "start_hub comes first"
        return self._hub

    async def start_hub(self, *, port: int = 0) -> None:
        """Make the hub's folder and start it. The office node's code is kept for `add_office`."""
        data = self.folder / HUB
        self._office_code = await self._run("hub", "init", "--data", str(data))
        self._hub = Daemon("hub", data, self._log(HUB), port=port)
        await self._hub.start()

    async def add_office(self, name: str = "office", *, port: int = 0) -> LocalNode:
        """Join and start the node whose code `init` gave."""
        return await self._join(name, self._office_code, (), port=port)

    async def add_node(
        self,
        name: str,
        writes: Sequence[str],
        *,
        line: Line = "direct",
        serve: Serve = "now",
        port: int = 0,
        options: Sequence[str] = (),
        via: int | None = None,
    ) -> LocalNode:
        """Enrol and join a shop's node, and start it unless it shall be started `later`.

        `options` go to `everstock-hub enrol` as they are. `via` is the port of a line to the hub that the caller keeps.
        """
        if self.hub.running and not options:
            wish = {"name": name, "writes": list(writes)}
            code = await self._ask(HUB, "/v1/operator/enrol", wish, "code")
        else:
            granted = [argument for location in writes for argument in ("--writes", location)]
            code = await self._run(
                "hub", "enrol", "--data", str(self.hub.data), "--name", name, *granted, *options
            )
        link = CuttingProxy(self.hub.port) if line == "cuttable" else None
        if link is not None:
            await link.start()
        return await self._join(
            name, code, tuple(writes), link=link, port=port, serve=serve, via=via
        )

    def replace(self, name: str, daemon: Daemon) -> None:
        """Let a daemon that was stopped be another from now on: another folder, or another program."""
        assert not self._daemon(name).running, "stop it first"
        if name == HUB:
            self._hub = daemon
        else:
            self.nodes[name].daemon = daemon

    async def start(self, name: str) -> None:
        """Start a daemon that was killed or stopped, on its old port."""
        await self._daemon(name).start()

    async def kill(self, name: str) -> None:
        """kill -9."""
        await self._daemon(name).kill()

    async def stop(self, name: str) -> None:
        """SIGTERM, and wait until it ended by itself."""
        await self._daemon(name).stop()

    def check_running(self) -> None:
        """Do nothing unless a daemon ended that nobody here ended.

        Raises:
            ProcessError: with the end of its log.
        """
        for name in (HUB, *self.nodes):
            self._daemon(name).check_running()

    async def till(self, node: str, name: str = "till-1") -> Client:
        """A client with a till's own token, made at first use."""
        tokens = self.nodes[node].till_tokens
        if name not in tokens:
            daemon = self._daemon(node)
            if daemon.running:
                tokens[name] = await self._ask(node, "/v1/operator/tokens", {"name": name}, "token")
            else:
                tokens[name] = await self._run(
                    "node", "token", "--data", str(daemon.data), "--name", name
                )
        return self._client(node, tokens[name])

    def operator(self, name: str) -> Client:
        """A client with the operator's token of a node or of the hub."""
        return self._client(
            name, self._daemon(name).data.joinpath("operator.token").read_text().strip()
        )

    async def verify(self, names: Iterable[str]) -> None:
        """Run `verify` on each folder, beside its daemon if that runs.

        Raises:
            ProcessError: one of them found something wrong, with what it said.
        """
        outcomes = await asyncio.gather(
            *(
                self._run(
                    "hub" if name == HUB else "node",
                    *("verify", "--data", str(self._daemon(name).data)),
                )
                for name in names
            ),
            return_exceptions=True,  # let all of them end before the first is reported
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def close(self) -> None:
        """Kill what still runs, break the lines, close the connections. Folders are left."""
        daemons = [node.daemon for node in self.nodes.values()]
        if self._hub is not None:
            daemons.append(self._hub)
        try:
            await asyncio.gather(*(daemon.kill() for daemon in daemons))
        finally:
            for node in self.nodes.values():
                if node.link is not None:
                    await node.link.close()
            if self._http is not None:
                await self._http.close()

    async def _join(
        self,
        name: str,
        code: str,
        writes: tuple[str, ...],
        *,
        port: int,
        link: CuttingProxy | None = None,
        serve: Serve = "now",
        via: int | None = None,
    ) -> LocalNode:
        data = self.folder / name
        node = LocalNode(name, Daemon("node", data, self._log(name), port=port), writes, link)
        self.nodes[name] = node
        if via is None:
            via = self.hub.port if link is None else link.port
        address = f"ws://127.0.0.1:{via}"
        await self._run("node", "join", "--data", str(data), "--hub", address, "--code", code)
        if serve == "now":
            async with self._commands:
                await node.daemon.start()
        return node

    async def _ask(self, name: str, path: str, body: Json, member: str) -> str:
        """What the command of this name asks a running daemon, without starting an interpreter for it."""
        answer = await self.operator(name).send(path, body, None, timeout_s=REQUEST_S_MAX)
        if answer.status != 201:
            raise RefusedError(answer, f"POST {path}")
        return str(answer.json()[member])

    async def _run(self, module: Module, *arguments: str) -> str:
        async with self._commands:
            return await run_command(module, *arguments)

    def _daemon(self, name: str) -> Daemon:
        return self.hub if name == HUB else self.nodes[name].daemon

    def _client(self, name: str, token: str) -> Client:
        assert self._http is not None, "LocalChain is used with `async with`"
        return Client(self._http, self._daemon(name).url, token)

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"
