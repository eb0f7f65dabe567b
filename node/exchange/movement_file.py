"""A file of movements: one row is one movement of one line.

Rule: a row is judged by the models of `POST /v1/movements` and recorded by its batch command.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from node import upkeep
from node.commands.movements import Here, check_may_write
from node.commands.requests import Answer, Refusal
from node.exchange.mapping import Plan, Wishes, plan_of
from node.exchange.reading import Garbled, Record
from node.exchange.rows import Bad, Good, LeftOut, movements
from node.exchange.sending import Item, Outcome, Recorded, Refused
from node.joining import OPERATOR
from node.node import Node
from node.replica import identity
from protocol.movements import MoveKind
from runtime.folder import Folder

BATCH_S_AIM: Final = 0.05
"""A batch is one transaction, and a till beside it waits as long: nobody at a till notices this."""


class Rights:
    """What this node may record where, as its certificate says."""

    def __init__(self, folder: Folder) -> None:
        self._here = here_of(folder)
        self._allowed: set[tuple[str, MoveKind]] = set()

    @property
    def only_location(self) -> str | None:
        """The location that a file means that names none."""
        writes = self._here.certificate.writes
        return writes[0] if len(writes) == 1 else None

    def check(self, location: str, kind: MoveKind) -> None:
        """Raises: Refusal `forbidden`."""
        if (location, kind) not in self._allowed:
            check_may_write(self._here, location, kind)
            self._allowed.add((location, kind))


def here_of(folder: Folder) -> Here:
    """Which node this is, as its database says; the clock is not asked."""
    return upkeep.read(
        folder,
        lambda db: Here(
            (who := identity.read_identity(db)).chain,
            identity.read_position(db).replica,
            who.rights,
            None,
            0,
        ),
    )


class MovementFile:
    """What a file of movements says, and where it goes."""

    address = "/v1/movements/batch"
    member = "movements"
    batch_s_aim = BATCH_S_AIM
    about_skipped = (
        " Put the skipped rows, corrected, into a file of their own: this file with other"
        " bytes is another file, and would count every row again."
    )

    def __init__(self, wishes: Wishes, rights: Rights) -> None:
        self._wishes = wishes
        self._rights = rights
        self._plan: Plan | None = None

    @property
    def delimiter(self) -> str | None:
        """See Subject."""
        return self._wishes.delimiter

    @property
    def encoding(self) -> str:
        """See Subject."""
        return self._wishes.encoding

    def begin(self, header: Sequence[str]) -> Sequence[str]:
        """See Subject."""
        self._plan = plan_of(header, self._wishes)
        return self._plan.unused

    def rows(self, records: Iterable[Record | Garbled]) -> Iterator[Good | Bad | LeftOut]:
        """See Subject."""
        assert self._plan is not None, "begun"
        return movements(self._plan, records, self._rights.check)

    def item(self, digest: str, good: Good) -> Item:
        """See Subject."""
        return Item(good.line, f"import-{digest}-{good.line}", good.body, good.meant)

    def try_out(self) -> None:
        """A good row is always taken."""

    def outcome(self, result: Mapping[str, Any], head: int) -> Recorded:
        """See Errand."""
        # A batch does not say which of its answers are repeats. The log does: it only grows.
        return Recorded(earlier=int(result["movement"]["seq"]) <= head)

    async def record(self, node: Node, items: Sequence[Item]) -> list[Outcome]:
        """See Errand; all in one transaction."""
        batch = [(item.key, item.meant) for item in items]
        return [_outcome(one) for one in await node.record_batch(OPERATOR, batch)]


def _outcome(answer: Answer | Refusal) -> Outcome:
    match answer:
        case Answer(replayed=replayed):
            return Recorded(earlier=replayed)
        case Refusal(code=code, detail=detail):
            return Refused(code, detail)
