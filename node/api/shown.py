"""The bodies of answers, as shapes: what callers may rely on.

Invariant: these describe and are never run over an answer, so that one costs nothing to send; the tests hold every
real answer against them. Fields may be added, none is renamed or changes its meaning.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from node.api.models import UnitCost
from node.api.values import FreeJson
from protocol.movements import MoveKind
from runtime.problems import STATUS_BY_CODE

Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Hex = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{32}$"})]
"""16 random bytes: a replica's or an epoch's id."""
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""RFC 3339 in UTC with milliseconds."""
Day = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
Count = Annotated[int, Field(ge=0)]
Cursor = Annotated[str, Field(description="For `cursor` of the next page; null on the last one.")]


class Shown(BaseModel):
    """What every part of an answer has in common."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, defer_build=True)


class MadeShown(Shown):
    """The same of a type that is made at run time, by `create_model`."""

    # Its fields have no docstrings, and looking for them in the source would take most of the time of a start.
    model_config = ConfigDict(use_attribute_docstrings=False)


class ProblemError(Shown):
    """One fault of a request."""

    loc: list[str | int]
    """Where it is, from the outside in."""
    msg: str
    type: str


class ProblemShown(Shown):
    """What was wrong, or is not possible now (RFC 9457)."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: Annotated[str, Field(json_schema_extra={"enum": sorted(STATUS_BY_CODE)})]
    """Decide by this; it is never renamed."""
    detail: str
    """One sentence for a person."""
    errors: list[ProblemError]


class Health(Shown):
    """The process works."""

    status: Literal["ok"]


class Readiness(Shown):
    """What is sold now can be recorded."""

    status: Literal["ready"]


class LineShown(Shown):
    """One line of a movement."""

    sku: str
    lot: str | None
    delta: int
    """Signed, in base units; of a count, the difference that it found."""
    counted: Count | None = None
    """Only in a count: what was on the shelf."""
    barcode: str | None = None
    """Where a scan said which SKU: what was scanned."""
    pack: str | None = None
    """Where a pack was named, or is what was scanned."""
    packs: int | None = None
    """How many of it, where the line said that."""
    supplier: str | None = None
    unit_cost: UnitCost | None = None
    expiry: Day | None = None
    lot_override: Literal["on_hold", "quarantined", "recalled", "expired"] | None = None
    """Only where a lot was sold all the same that may not be: why not."""


class DocumentOf(Shown):
    """What a movement is a part of."""

    collection: str
    id: str
    action: str
    """What was done with it."""
    event: str | None
    """Under which it says that these goods moved, to take them back by; null of what moved none."""


class AccountLine(Shown):
    """What a movement changed beside goods on a shelf; the other end of a transfer too."""

    location: str
    sku: str
    lot: str | None
    account: str
    delta: int


class MovementShown(Shown):
    """A movement, as it will be for ever."""

    id: Id
    replica: Hex
    seq: Annotated[int, Field(ge=1)]
    """Its place in the replica's log."""
    kind: MoveKind
    location: str | None
    reference: str | None
    recorded_at: Time
    occurred_at: Time
    actor: str
    """Whose token it was."""
    device: str
    reason: str | None
    note: str | None
    reverses: Id | None
    """The movement that this one takes back."""
    details: dict[str, FreeJson]
    lines: list[LineShown]
    witness: str | None = None
    """Only where one was named: the second person who saw it."""
    document: DocumentOf | None = None
    """Only of a movement of an order, a transfer or a stocktake, which is also its reference."""
    accounts: list[AccountLine] | None = None
    """Only there too: what it changed beside what is on hand."""
    sealed: bool | None = None
    """Only where something is sealed with it: see `GET /v1/movements/{id}/sealed`."""


class SealedShown(Shown):
    """What was sealed with a movement, in clear."""

    id: Id
    location: str
    details: dict[str, FreeJson]


class SealedErased(Shown):
    """That nobody opens it any more, once all have heard."""

    id: Id
    erased: bool
    before: bool
    """Whether it had been erased before."""


class KeysChanged(Shown):
    """What became of the keys of sealed records that are held here."""

    rewrapped: int
    unopened: int
    """Left as they were: no key here opens them."""


class LineRecorded(LineShown):
    """One line, and where it left the stock of its SKU at this location, over all lots."""

    on_hand: int
    available: int


class Notice(Shown):
    """Something worth knowing of what was recorded all the same."""

    code: str
    sku: str
    detail: str
    lot: str | None = None
    """Only where it is about one."""
    similar_to: list[str] | None = None
    """Of `similar_lot`: the lots that are spelt alike."""
    expiry: Day | None = None
    """Of `expiry_differs`: the last day that stands."""


class MovementRecorded(MovementShown):
    """A movement just recorded; the same bytes for every repeat of its request."""

    lines: list[LineRecorded]  # type: ignore[assignment] # a list of answers is only ever read
    warnings: list[Notice]


class ItemRecorded(Shown):
    """A movement of a batch, recorded now or before."""

    status: Literal[201]
    movement: MovementRecorded


class ItemRefused(Shown):
    """A movement of a batch that was not recorded."""

    status: Annotated[int, Field(ge=400, le=599)]
    problem: ProblemShown


class BatchResults(Shown):
    """One result for each movement of the batch, in its order."""

    results: list[ItemRecorded | ItemRefused]


class MovementPage(Shown):
    """Movements, newest first."""

    items: list[MovementShown]
    next: Cursor | None


class StockRow(Shown):
    """One SKU at one location over all lots, in base units."""

    location: str
    sku: str
    name: str | None
    on_hand: int
    reserved: int
    granted: int
    in_transit: int
    held: int
    """On hand of lots that are expired, held or recalled."""
    available: int
    """What can still be promised: on hand without what is reserved, granted or held."""
    incoming: int
    minimum: int | None
    hub_seq: Count
    """How new it is; 0 where the hub has sent nothing yet."""


class LotShown(Shown):
    """The same for one lot."""

    lot: str
    on_hand: int
    reserved: int
    in_transit: int
    available: int
    expiry: Day | None
    standing: Literal["ok", "on_hold", "quarantined", "recalled", "expired"]
    """Whether it may be sold there today, and if not, why."""


class StockRowWithLots(StockRow):
    """One SKU at one location, and its lots by code."""

    lots: list[LotShown]


class StockPage(Shown):
    """Rows of stock, by location and SKU."""

    items: list[StockRow]
    next: Cursor | None


class Replaced(Shown):
    """A node that a spare took over from."""

    name: str
    receipts_missing_since: Time | None
    """What it recorded from then on may never have reached the hub: enter it again from the receipts. Null when the hub
    never heard of anything it recorded, or does not say."""


class Incident(Shown):
    """Something that happened to this node's data, and what was done about it."""

    code: Literal[
        "history_gap", "digest_mismatch", "scope_mended", "scope_read_again", "history_differs"
    ]
    """`history_gap`: the hub lost operations that were cut off this log; count what they were about. The others: rows
    differed from the hub's (`digest_mismatch`), and were fetched one by one or with their whole scope. `history_differs`: the hub
    signed two histories: it was put back without `everstock-hub restore`, or its database was changed; the audit has both."""
    detail: str
    at: Time


class SyncStatus(Shown):
    """Where this node stands with the hub."""

    connected: bool
    name: str
    role: Literal["store", "office"]
    writes: list[str]
    """The locations whose stock is changed here."""
    hub: str
    replica: Hex
    epoch: Hex | None
    """Which life of the hub's history; null before the first session."""
    pending: Count
    """Operations that the hub has not acknowledged."""
    oldest_pending_age_s: Count | None
    acked: Count
    stable: Count
    caught_up: bool
    cursors: dict[str, Count]
    """How far each scope was read."""
    last_contact_at: Time | None
    last_error: str | None
    quarantined: Count
    """Own operations that the hub set aside."""
    incidents: list[Incident]
    """What a person should know of, the last three of each code, newest first."""
    log_base: Count
    """Position of the oldest operation in the log; movements before it are still listed."""
    backup_alarm: str | None
    """What is wrong with the hub's backups, in one sentence; null while they are as they should be."""
    replaces: Replaced | None
    """The node that this one took over from."""
    verified_at: Time | None
    """When the database was last computed again."""
    verify_problems: Count | None
    """What that found wrong; null before the first time."""


class ScopeDigest(Shown):
    """A scope's rows, summed up: equal digests mean equal rows."""

    scope: str
    hub_seq: Count
    rows: Count
    digest: str


class TokenMade(Shown):
    """A till's new token. It is shown here and never again."""

    token: str
    older: Count
    """How many tokens of this name work still."""


class TokensRevoked(Shown):
    """How many tokens were ended."""

    revoked: Count
