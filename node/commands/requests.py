"""What callers ask for, already well-formed: the surfaces check shapes, the commands check meaning.

Invariant: a request holds only checked codes and ranges (see `protocol.limits`), so that a command never has to doubt
its types; two requests that mean the same are equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from protocol.access.table import PersonRole
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from protocol.sealed_keys import RecordKey


class Authority(StrEnum):
    """What a token stands for."""

    TILL = "till"
    OPERATOR = "operator"
    PERSON = "person"


class Person(NamedTuple):
    """Somebody who has signed in, or signed on at a till."""

    id: str
    name: str
    """The user name."""
    role: PersonRole | None
    """None: nothing was granted yet."""
    locations: frozenset[str]
    """Where that role is held; none for one that is held in the whole chain."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Idempotency keys are scoped to the name, which a till keeps whoever has signed on at it."""

    name: str
    """The till's, as its token has it; of a session its person's."""
    authority: Authority
    person: Person | None = None
    """Whose session it is, or who has signed on at the till."""
    witness: str | None = None
    """The user name of a second person who has just shown their PIN there."""

    @property
    def by(self) -> str:
        """Who is named as the author: the person, or the till where no person is known."""
        return self.name if self.person is None else self.person.name


@dataclass(frozen=True, slots=True)
class Said:
    """What a line says in place of a SKU or of base units: what was scanned, how many packs."""

    barcode: str | None = None
    """As it came from the scanner."""
    pack: str | None = None
    packs: int | None = None
    """Signed as `delta` is; of a count, what was counted."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a movement; exactly one of `delta` and `counted` is given, once `commands.scanning` has seen `said`."""

    sku: Sku
    """"" where only a barcode says which."""
    lot: Lot
    delta: int | None = None
    counted: int | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    """`supplier`, `unit_cost`, `expiry` of goods received: kept with the operation, no effect on stock."""
    said: Said | None = None


@dataclass(frozen=True, slots=True)
class Sealing:
    """What of a movement was sealed before it is recorded."""

    box: bytes
    key: RecordKey
    """What opens it, kept beside the log."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A movement to record. Times are UTC milliseconds."""

    kind: MoveKind
    location: Location
    lines: tuple[Line, ...]
    reference: str | None = None
    occurred_at_ms: int | None = None
    """None: now."""
    reason: str | None = None
    note: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    override_lot: bool = False
    """Whether lots that may not be used are sold all the same, for the reason given."""
    witness: str | None = None
    """The second person who saw it."""
    sealing: Sealing | None = None
    """What was sealed; `details` then hold under `sealed` a digest by which a repeat is known, and nothing in clear."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a recording command answers; the body is JSON, kept as sent so that a repeat gets the same bytes."""

    movement_id: str
    status: int
    body: bytes
    replayed: bool


class Refusal(Exception):
    """The caller's fault, in one sentence, with a code of API.md. Nothing was recorded.

    Where several faults share a code, `fault` is the stable name of this one. `errors` say where in the request, each
    with `loc`, `msg` and `type`.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        fault: str | None = None,
        errors: Sequence[Mapping[str, object]] = (),
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.fault = fault
        self.errors = tuple(errors)
