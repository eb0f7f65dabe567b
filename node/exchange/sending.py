"""How good rows reach the node: through its daemon, or, when none runs, under the folder's lock.

Invariant: either way it is the batch command with one key per row as the operator, so whoever began an import, and
however it ended, the same rows sent again are answered from memory.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from node import upkeep
from node.node import Node
from node.replica import log
from protocol.limits import BATCH_DOCUMENTS_MAX, BATCH_MOVEMENTS_MAX, BODY_BYTES_MAX
from runtime.control import DaemonRefused, call_daemon
from runtime.errors import StoreError
from runtime.folder import Folder, FolderBusy
from runtime.world import World

BATCH_ROWS_MIN: Final = 25
BATCH_ROWS_MAX: Final = min(BATCH_MOVEMENTS_MAX, BATCH_DOCUMENTS_MAX)
BATCH_JSON_BYTES_MAX: Final = BODY_BYTES_MAX - 1024
"""Of a batch's rows, with room for what is around them."""
PATIENCE_S: Final = 15.0
"""A daemon that ended is started again by whoever runs it within this, or the import ends."""
_RETRY_S: Final = 0.2
_RETRIED: Final = frozenset({"unavailable", "rate_limited", "request_timeout"})
_OWN_FAULT: Final = frozenset({"validation_failed", "too_large"})


class Item(NamedTuple):
    """A row on its way."""

    line: int
    key: str
    body: Mapping[str, object]
    meant: Any
    """The same as the command takes it."""

    @property
    def json_bytes(self) -> int:
        """What it takes of a request's body."""
        return len(json.dumps({"key": self.key, **self.body})) + 2


class Recorded(NamedTuple):
    """It counts; `earlier` when it did before this import began."""

    earlier: bool


class Unchanged(NamedTuple):
    """It says what was there already."""


class Refused(NamedTuple):
    """It does not, and why; the rest goes on."""

    code: str
    detail: str


Outcome = Recorded | Unchanged | Refused


class SendingStopped(Exception):
    """The node takes no more now; the message is one sentence. What was answered before is recorded."""


class Errand(Protocol):
    """What is recorded: the address of the daemon that takes it, and the command where none runs."""

    @property
    def address(self) -> str:
        """Where the daemon takes batches."""

    @property
    def member(self) -> str:
        """The member of a batch's body that holds the rows."""

    @property
    def batch_s_aim(self) -> float:
        """How long a batch may take the daemon."""

    def outcome(self, result: Mapping[str, Any], head: int) -> Recorded | Unchanged:
        """What the daemon says of a row that is no problem; `head` is where the log ended when the import began."""

    async def record(self, node: Node, items: Sequence[Item]) -> list[Outcome]:
        """Have the node itself record rows, durable on return.

        Raises: StoreError.
        """


class Door(Protocol):
    """A way to the node."""

    batch_rows: int
    """How many it wants next."""
    is_elsewhere: bool
    """Whether another process does the work, and may be sent rows by a thread of its own."""

    @property
    def doing(self) -> str:
        """What happens, for whoever watches."""

    def record(self, items: Sequence[Item]) -> list[Outcome]:
        """Record in order, durable on return; an outcome for each.

        Raises: SendingStopped; then nothing of these items is known to be recorded.
        """


@contextlib.contextmanager
def open_door(folder: Folder, errand: Errand) -> Iterator[Door]:
    """The daemon, else the node itself, with the folder's lock held until the end.

    Raises: FolderBusy when somebody else holds the lock; NotJoined, StoreError.
    """
    give_up_s = time.monotonic() + upkeep.HANDOVER_S_MAX
    with contextlib.ExitStack() as held:
        while True:
            if folder.daemon_url() is not None:
                yield DaemonDoor(folder, errand)
                return
            try:
                held.enter_context(folder.lock())
                break
            except FolderBusy:
                if time.monotonic() > give_up_s:
                    raise
                time.sleep(_RETRY_S)
        with asyncio.Runner() as runner:
            node = runner.run(Node.open(folder, World()))
            try:
                yield OwnDoor(runner, node, errand)
            finally:
                runner.run(node.close())


class DaemonDoor:
    """The batch route of the running daemon."""

    doing = "recording"
    is_elsewhere = True

    def __init__(self, folder: Folder, errand: Errand) -> None:
        self._folder = folder
        self._errand = errand
        self._head = upkeep.read(folder, lambda db: log.head(db).seq)
        self.batch_rows = BATCH_ROWS_MIN

    def record(self, items: Sequence[Item]) -> list[Outcome]:
        """See Door. A daemon that is being restarted is waited for."""
        body = {self._errand.member: [{"key": item.key, **item.body} for item in items]}
        give_up_s = time.monotonic() + PATIENCE_S
        while True:
            started_s = time.monotonic()
            problem = "the daemon has ended"
            try:
                answer = call_daemon(self._folder, self._errand.address, body)
                if answer is not None:
                    self._adapt(time.monotonic() - started_s)
                    return [self._outcome(one) for one in _results(answer, len(items))]
            except DaemonRefused as error:
                if len(items) == 1 and error.code in _OWN_FAULT:
                    return [Refused(error.code, str(error))]
                if error.code not in _RETRIED:
                    raise SendingStopped(str(error).rstrip(".")) from error
                problem = str(error).rstrip(".")
            if time.monotonic() > give_up_s:
                raise SendingStopped(problem)
            time.sleep(_RETRY_S)

    def _adapt(self, took_s: float) -> None:
        if took_s < self._errand.batch_s_aim / 2:
            self.batch_rows = min(self.batch_rows * 2, BATCH_ROWS_MAX)
        elif took_s > self._errand.batch_s_aim:
            self.batch_rows = max(self.batch_rows // 2, BATCH_ROWS_MIN)

    def _outcome(self, result: Mapping[str, Any]) -> Outcome:
        if "problem" in result:
            return Refused(str(result["problem"]["code"]), str(result["problem"]["detail"]))
        return self._errand.outcome(result, self._head)


class OwnDoor:
    """The node opened here; nobody else waits, so batches are as large as they may be."""

    doing = "recording"
    is_elsewhere = False

    def __init__(self, runner: asyncio.Runner, node: Node, errand: Errand) -> None:
        self._runner = runner
        self._node = node
        self._errand = errand
        self.batch_rows = BATCH_ROWS_MAX

    def record(self, items: Sequence[Item]) -> list[Outcome]:
        """See Door."""
        try:
            return self._runner.run(self._errand.record(self._node, items))
        except StoreError as error:
            raise SendingStopped(str(error)) from error


def _results(answer: Mapping[str, object], count: int) -> list[Mapping[str, Any]]:
    results = answer.get("results")
    if not isinstance(results, list) or len(results) != count:
        raise SendingStopped("the daemon answered something else than results")
    return results
