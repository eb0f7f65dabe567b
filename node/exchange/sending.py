"""How good rows reach the node: through its daemon, or, when none runs, under the folder's lock.

Invariant: either way it is the batch command with one key per movement as the operator, so whoever began an import,
and however it ended, the same rows sent again are answered from memory.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from node import upkeep
from node.commands.requests import Answer, Movement, Refusal
from node.joining import OPERATOR
from node.node import Node
from node.replica import log
from protocol.limits import BATCH_MOVEMENTS_MAX, BODY_BYTES_MAX
from runtime.control import DaemonRefused, call_daemon
from runtime.errors import StoreError
from runtime.folder import Folder, FolderBusy
from runtime.world import World

BATCH_S_AIM: Final = 0.05
"""A batch is one transaction, and a till beside it waits as long: nobody at a till notices this."""
BATCH_MOVEMENTS_MIN: Final = 25
BATCH_JSON_BYTES_MAX: Final = BODY_BYTES_MAX - 1024
"""Of a batch's movements, with room for what is around them."""
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
    movement: Movement

    @property
    def json_bytes(self) -> int:
        """What it takes of a request's body."""
        return len(json.dumps({"key": self.key, **self.body})) + 2


class Recorded(NamedTuple):
    """It counts; `earlier` when it did before this import began."""

    earlier: bool


class Refused(NamedTuple):
    """It does not, and why; the rest goes on."""

    code: str
    detail: str


Outcome = Recorded | Refused


class SendingStopped(Exception):
    """The node takes no more now; the message is one sentence. What was answered before is recorded."""


class Door(Protocol):
    """A way to the node."""

    batch_movements: int
    """How many it wants next."""

    def record(self, items: Sequence[Item]) -> list[Outcome]:
        """Record in order, in one transaction, durable on return; an outcome for each.

        Raises: SendingStopped; then nothing of these items is known to be recorded.
        """


@contextlib.contextmanager
def open_door(folder: Folder) -> Iterator[Door]:
    """The daemon, else the node itself, with the folder's lock held until the end.

    Raises: FolderBusy when somebody else holds the lock; NotJoined, StoreError.
    """
    give_up_s = time.monotonic() + upkeep.HANDOVER_S_MAX
    with contextlib.ExitStack() as held:
        while True:
            if folder.daemon_url() is not None:
                yield DaemonDoor(folder)
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
                yield OwnDoor(runner, node)
            finally:
                runner.run(node.close())


class DaemonDoor:
    """The batch route of the running daemon."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._head = upkeep.read(folder, lambda db: log.head(db).seq)
        self.batch_movements = BATCH_MOVEMENTS_MIN

    def record(self, items: Sequence[Item]) -> list[Outcome]:
        """See Door. A daemon that is being restarted is waited for."""
        body = {"movements": [{"key": item.key, **item.body} for item in items]}
        give_up_s = time.monotonic() + PATIENCE_S
        while True:
            started_s = time.monotonic()
            problem = "the daemon has ended"
            try:
                answer = call_daemon(self._folder, "/v1/movements/batch", body)
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
        if took_s < BATCH_S_AIM / 2:
            self.batch_movements = min(self.batch_movements * 2, BATCH_MOVEMENTS_MAX)
        elif took_s > BATCH_S_AIM:
            self.batch_movements = max(self.batch_movements // 2, BATCH_MOVEMENTS_MIN)

    def _outcome(self, result: Mapping[str, Any]) -> Outcome:
        if "problem" in result:
            return Refused(str(result["problem"]["code"]), str(result["problem"]["detail"]))
        # A batch does not say which of its answers are repeats. The log does: it only grows.
        return Recorded(earlier=int(result["movement"]["seq"]) <= self._head)


class OwnDoor:
    """The node opened here; nobody else waits, so batches are as large as they may be."""

    def __init__(self, runner: asyncio.Runner, node: Node) -> None:
        self._runner = runner
        self._node = node
        self.batch_movements = BATCH_MOVEMENTS_MAX

    def record(self, items: Sequence[Item]) -> list[Outcome]:
        """See Door."""
        batch = [(item.key, item.movement) for item in items]
        try:
            answers = self._runner.run(self._node.record_batch(OPERATOR, batch))
        except StoreError as error:
            raise SendingStopped(str(error)) from error
        return [_own_outcome(answer) for answer in answers]


def _own_outcome(answer: Answer | Refusal) -> Outcome:
    match answer:
        case Answer(replayed=replayed):
            return Recorded(earlier=replayed)
        case Refusal(code=code, detail=detail):
            return Refused(code, detail)


def _results(answer: Mapping[str, object], count: int) -> list[Mapping[str, Any]]:
    results = answer.get("results")
    if not isinstance(results, list) or len(results) != count:
        raise SendingStopped("the daemon answered something else than results")
    return results
