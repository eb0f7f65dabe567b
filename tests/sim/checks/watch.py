"""What must hold at every moment, looked at all the time: rows and cursors (I8), frames (I14), bounds (I15).

Invariant: looking changes nothing; the disks are read between two jobs, frames as they are sent.
"""

import asyncio
import random
from collections.abc import Iterator
from typing import Final

from hub.store.sqlite import audit
from node.replica import verify
from protocol.certificate import Certificate
from protocol.frames.feed import Page
from protocol.frames.handshake import Close, Hello, Welcome
from protocol.frames.log import Negative, Operations, Status
from protocol.ids import ReplicaId
from protocol.limits import FRAME_BYTES_MAX
from protocol.rows import CounterRow
from protocol.wire import decode
from tests.sim import reading
from tests.sim.chain import Chain
from tests.sim.checks.rarities import rarities
from tests.sim.lines import Connection
from tests.sim.machines import NodeMachine

EVERY_S: Final = 15.0
GRACE_S: Final = 45.0
"""What was under way when rights were narrowed may still be on its way for a send's longest wait."""
TASKS_MAX: Final = 40
TASKS_PER_LINE_MAX: Final = 12
TIMERS_MAX: Final = 400


class Watch:
    """Looks at the chain while it runs."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._rng = random.Random(f"{chain.seed} watch")
        self._seen: dict[str, _State] = {}
        self._cut: dict[str, ReplicaId] = {}
        """Machines whose log was cut off at its beginning, with the replica that this was."""
        self._met: dict[str, tuple[reading.Database, reading.Database]] = {}
        """The disks, of the hub and of each machine, that the hub's last WELCOME to it was about."""
        chain.taps.append(self._frame)

    async def go_on(self) -> None:
        """Look every few seconds, for ever; now and then verify a whole disk."""
        while True:
            await asyncio.sleep(EVERY_S * (0.5 + self._rng.random()))
            self._feeds()
            self._bounds()
            if self._rng.random() < 0.1:
                self._verify()

    # --- frames ----------------------------------------------------------------------------------------------------

    def _frame(self, connection: Connection, is_node: bool, data: bytes) -> None:
        chain, frame = self._chain, decode(data)
        match frame:
            case Page() as page if not is_node:
                self._page(connection, page)
            case Close() as close:
                chain.probe(f"{'node' if is_node else 'hub'} ends a session: {close.code}")
            case Negative() as negative:
                chain.probe(f"batch stepped back: {negative.code}")
            case Status():
                chain.probe("node told of quarantine")
            case Operations() as operations if len(operations.items) > 1:
                chain.probe("batch of several operations")
            case Hello() as hello:
                self._hello(connection, hello)
            case Welcome():
                self._welcome(connection)
            case _:
                pass
        for what in rarities(frame, is_node=is_node):
            chain.probe(what)

    def _hello(self, connection: Connection, hello: Hello) -> None:
        machine = self._chain.machine_of(connection.node.process)
        if machine is None:
            return
        if hello.log_base > 1:
            self._chain.probe("log begins after its first operation")
            self._cut[machine.name] = hello.replica
        elif self._cut.pop(machine.name, hello.replica) != hello.replica:
            self._chain.probe("log cut, then continued under a new replica")

    def _welcome(self, connection: Connection) -> None:
        hub, machine = self._chain.hub, self._chain.machine_of(connection.node.process)
        if machine is not None and connection.hub.process is hub.process:
            self._met[machine.name] = hub.disk.db, machine.disk.db

    def _page(self, connection: Connection, page: Page) -> None:
        if page.more:
            self._chain.probe("page cut")
        machine = self._chain.machine_of(connection.node.process)
        if machine is not None and not any(
            each.reads_scope(page.scope) for each in self._rights(machine)
        ):
            self._chain.complain(f"I14: rows of {page.scope} were sent to {machine.name}")
        for row in page.rows:
            if isinstance(row, CounterRow) and f"stock:{row.location}" != page.scope:
                self._chain.complain(f"I14: a row of {row.location} in a page of {page.scope}")

    def _rights(self, machine: NodeMachine) -> Iterator[Certificate]:
        """What the node, the hub, or either of them a moment ago holds the node's rights to be."""
        yield machine.certificate
        chain, now_s = self._chain, self._chain.loop.time()
        machine.granted = [(at_s, each) for at_s, each in machine.granted if now_s - at_s < GRACE_S]
        if (known := chain.hub.certificate_held_of(machine)) is not None:
            yield known
        yield from (each for _, each in machine.granted)

    # --- disks -----------------------------------------------------------------------------------------------------

    def _feeds(self) -> None:
        """I8: up to its cursor, a node's rows are the hub's."""
        chain, hub = self._chain, self._chain.hub.disk.db
        epoch = bytes(hub.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0])
        newest: dict[reading.Key, tuple[int, int]] = {}
        for machine in chain.nodes.values():
            db = machine.disk.db
            state = (hub, hub.total_changes, db, db.total_changes)
            if self._seen.get(machine.name) == state:
                continue  # nothing has been written since, on either disk
            self._seen[machine.name] = state
            newest = newest or _rows(hub)
            position = reading.position(db)
            if bytes(position["epoch"] or b"") != epoch:
                continue
            # Read halfway in a state that the hub was then put back to before: a row that had moved beyond the cursor
            # may be behind it again. Nobody can know until the node says HELLO; from the WELCOME on there is no excuse.
            if self._met.get(machine.name) != (hub, db) and not _is_of_this_history(
                hub, position["head_seen"], bytes(position["head_salt"])
            ):
                continue
            held, others = _rows(db), dict[str, int]()
            for scope, cursor, salt in db.execute(
                "SELECT scope, cursor, salt FROM scope WHERE held AND cursor > 0"
            ).fetchall():
                if scope in chain.rotten or not _is_of_this_history(hub, cursor, bytes(salt)):
                    continue
                family, _, location = scope.partition(":")
                if family != "stock":
                    others[scope] = cursor
                    continue
                for key, (seq, total) in newest.items():
                    if key[0] == location and seq <= cursor and held.get(key) != (seq, total):
                        chain.complain(
                            f"I8: {machine.name} has read {scope} up to {cursor} and holds"
                            f" {held.get(key)} of {key}, the hub {(seq, total)}"
                        )
            self._documents(machine, others)

    def _documents(self, machine: NodeMachine, read: dict[str, int]) -> None:
        """The same of documents, in the scopes that were read so far."""
        if not read:
            return
        held = {
            (collection, id_): (hub_seq, bytes(fields))
            for collection, id_, hub_seq, fields in machine.disk.db.execute(
                "SELECT collection, id, hub_seq, fields FROM document"
            )
        }
        for scope, cursor in read.items():
            for collection, id_, hub_seq, fields in self._chain.hub.disk.db.execute(
                "SELECT d.collection, d.document_id, d.hub_seq, d.fields FROM document_scope s"
                " JOIN document d ON d.id = s.document WHERE s.scope = ? AND s.hub_seq <= ?",
                (scope, cursor),
            ):
                if held.get((collection, id_)) != (hub_seq, bytes(fields)):
                    self._chain.complain(
                        f"I8: {machine.name} has read {scope} up to {cursor} and holds another"
                        f" state of {collection}/{id_} than the hub's, of {hub_seq}"
                    )

    def _verify(self) -> None:
        chain = self._chain
        machine = self._rng.choice([chain.hub, *chain.nodes.values()])
        if chain.rotten and isinstance(machine, NodeMachine):
            return  # it would name what rotted
        db = machine.disk.db
        problems = (
            list(verify.problems(db))
            if isinstance(machine, NodeMachine)
            else list(audit.problems(db, lambda _done, _all: None))
        )
        for problem in problems:
            chain.complain(f"I4: {machine.name}, while it works: {problem}")

    # --- bounds ----------------------------------------------------------------------------------------------------

    def _bounds(self) -> None:
        chain = self._chain
        for line in chain.connections:
            for pipe in (line.up, line.down):
                if pipe.unread > chain.window_bytes + 2 * FRAME_BYTES_MAX:
                    chain.complain(f"I15: {pipe.unread} bytes wait on a line")
        for machine in (chain.hub, *chain.nodes.values()):
            process = machine.process
            if process is None:
                continue
            most = TASKS_MAX + TASKS_PER_LINE_MAX * len(chain.lines_of(process))
            if len(process.tasks) > most:
                chain.complain(f"I15: {machine.name} has {len(process.tasks)} tasks")
        if chain.loop.timers > TIMERS_MAX:
            chain.complain(f"I15: {chain.loop.timers} timers are set")


_State = tuple[reading.Database, int, reading.Database, int]
"""Of the hub's database and a node's: which they are, and how many rows were written."""


def _rows(db: reading.Database) -> dict[reading.Key, tuple[int, int]]:
    found = db.execute("SELECT location, sku, lot, account, hub_seq, total FROM counter")
    return {(a, b, c, d): (hub_seq, total) for a, b, c, d, hub_seq, total in found}


def _is_of_this_history(hub: reading.Database, cursor: int, salt: bytes) -> bool:
    if cursor == 0:
        return True
    row = hub.execute(
        "SELECT salt FROM commit_salt WHERE last_hub_seq >= ? ORDER BY last_hub_seq LIMIT 1",
        (cursor,),
    ).fetchone()
    return row is not None and bytes(row[0]) == salt
