"""A sheet: a file with one row for each document of a collection, and what becomes of its rows.

Invariants:
- A row's key is the file's bytes, its line and the columns that the caller made of the file: the same command again is
  answered from memory, also where somebody has changed the document since. Read with other columns, the file is another
  one; that counts nothing twice, since only what differs is written.
- A row without an id, of a collection whose ids are drawn, is about the one that has its name; if none has, it is new.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final

from node import upkeep
from node.api.document_models import models_of
from node.api.document_rows import row_model
from node.commands import saving
from node.commands.movements import Here
from node.commands.requests import Refusal
from node.commands.saving import Outcome, Row, Saved
from node.exchange.movement_file import here_of
from node.exchange.reading import Garbled, Record
from node.exchange.rows import Bad, Good, LeftOut
from node.exchange.sending import BATCH_ROWS_MAX, Item, Recorded, Refused, Unchanged
from node.exchange.sending import Outcome as Sent
from node.exchange.sheet_columns import ID, SheetPlan, SheetWishes, sheet_plan
from node.exchange.sheet_rows import Known, SheetReader
from node.joining import OPERATOR
from node.node import Node
from node.replica import documents
from node.replica.documents import DocumentQuery, Held
from protocol.declarations import COLLECTIONS
from protocol.declarations.attributes import kind_of
from protocol.declarations.catalogue import ATTRIBUTES as DECLARED
from protocol.declarations.kinds import Id
from protocol.declarations.naming import codes_of
from protocol.declarations.vocabulary import Collection
from protocol.limits import LIST_LIMIT_MAX
from runtime.folder import Folder

BATCH_S_AIM: Final = 1.0
"""Between two rows a till goes first."""
_WISHES_BYTES: Final = 4
_ALL: Final[Mapping[str, object]] = {}


class SheetFile:
    """What a sheet says, and where it goes."""

    member = "documents"
    batch_s_aim = BATCH_S_AIM
    about_skipped = " Correct the skipped rows and import the file again: what is there stays."

    def __init__(self, folder: Folder, collection: Collection, wishes: SheetWishes) -> None:
        self.address = f"/v1/{collection.name}/batch"
        self._folder = folder
        self._collection = collection
        self._wishes = wishes
        self._here: Here = here_of(folder)
        self._known = upkeep.read(folder, lambda db: known_of(db, collection))
        own = {} if collection.identity else self._known.named[collection.name]
        self._named = {name: list(ids) for name, ids in own.items()}
        self._ids = {id_ for ids in own.values() for id_ in ids}
        self._model = row_model(collection, models_of(collection))
        self._plan: SheetPlan | None = None
        self._mark = ""

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
        self._plan = sheet_plan(self._collection, header, self._wishes)
        self._mark = blake2b(repr(self._wishes).encode(), digest_size=_WISHES_BYTES).hexdigest()
        return self._plan.unused

    def rows(self, records: Iterable[Record | Garbled]) -> Iterator[Good | Bad | LeftOut]:
        """See Subject."""
        assert self._plan is not None, "begun"
        return SheetReader(self._collection, self._plan, self._known, self._model).rows(records)

    def item(self, digest: str, good: Good) -> Item | Refused:
        """See Subject."""
        key = f"import-{digest}-{self._mark}-{good.line}"
        if self._collection.identity:
            return Item(good.line, key, good.body, Row(key, good.meant))
        asked = {name: value for name, value in good.meant.items() if name != ID}
        match self._id_of(key, good.meant):
            case Refused() as refused:
                return refused
            case id_:
                body = {name: value for name, value in good.body.items() if name != ID}
                named = {} if id_ is None else {ID: id_}
                return Item(good.line, key, {**body, **named}, Row(key, asked, id_))

    def outcome(self, result: Mapping[str, Any], head: int) -> Recorded | Unchanged:
        """See Errand."""
        del head
        return _sent(result["document"]["outcome"], repeated=result["repeated"])

    async def record(self, node: Node, items: Sequence[Item]) -> list[Sent]:
        """See Errand."""
        rows = [item.meant for item in items]
        return [_own(one) for one in await node.documents.save(OPERATOR, self._collection, rows)]

    @contextlib.contextmanager
    def try_out(self) -> Iterator["Trial"]:
        """See File."""
        yield Trial(self._folder, self._here, self._collection)

    def _id_of(self, key: str, asked: Mapping[str, object]) -> str | Refused | None:
        """Which document a row is about; None for a new one."""
        given = asked.get(ID)
        if isinstance(given, str) and given in self._ids:
            return given
        ids = self._named.setdefault(str(asked.get("name")), [])
        own = saving.id_of_row(self._here, OPERATOR, self._collection, key)
        if own in ids:
            return None  # it made that one before: sent again as it was sent then
        if not ids:
            ids.append(own)
            return None
        if len(ids) > 1:
            words = f"{len(ids)} {self._collection.name} have this name; a column id says which"
            return Refused("conflict", words)
        return ids[0]


class Trial:
    """A door that only says what would become of rows."""

    doing = "trying"
    is_elsewhere = False
    batch_rows = BATCH_ROWS_MAX

    def __init__(self, folder: Folder, here: Here, collection: Collection) -> None:
        self._folder = folder
        self._here = here
        self._collection = collection
        self._made: set[str] = set()

    def record(self, items: Sequence[Item]) -> list[Sent]:
        """See Door."""
        rows = [item.meant for item in items]
        return upkeep.read(self._folder, lambda db: [self._judged(db, row) for row in rows])

    def _judged(self, db: sqlite3.Connection, row: Row) -> Sent:
        if row.id in self._made:
            return Unchanged()  # as far as can be said without making it
        try:
            found = saving.judge(db, self._here, OPERATOR, self._collection, row)
        except Refusal as refusal:
            return Refused(refusal.code, refusal.detail)
        if found is Outcome.CREATED and not self._collection.identity:
            self._made.add(saving.id_of_row(self._here, OPERATOR, self._collection, row.key))
        return Recorded(earlier=True) if found is None else _sent(found, repeated=False)


def _own(saved: Saved | Refusal) -> Sent:
    match saved:
        case Saved(outcome=outcome, repeated=repeated):
            return _sent(outcome, repeated=repeated)
        case Refusal(code=code, detail=detail):
            return Refused(code, detail)


def _sent(outcome: str, *, repeated: bool) -> Recorded | Unchanged:
    if outcome == Outcome.UNCHANGED and not repeated:
        return Unchanged()
    return Recorded(earlier=repeated)


def known_of(db: sqlite3.Connection, collection: Collection) -> Known:
    names = {one.kind.refers for one in collection.fields if isinstance(one.kind, Id)}
    if not collection.identity:
        names.add(collection.name)
    named: dict[str, dict[str, list[str]]] = {}
    for name in names:
        named[name] = {}
        for one in each_document(db, COLLECTIONS[name]):
            named[name].setdefault(str(one.fields.get("name")), []).append(one.id)
    attributes = {
        codes_of(DECLARED, one.id)["name"]: kind
        for one in each_document(db, DECLARED, {"collection": collection.name})
        if (kind := kind_of(one.fields)) is not None
    }
    return Known(attributes, named)


def each_document(
    db: sqlite3.Connection,
    collection: Collection,
    matching: Mapping[str, object] = _ALL,
    *,
    archived: bool | None = False,
) -> Iterator[Held]:
    """Every document that shows these values, by id; `archived` None is both those that are and those that are not."""
    query = DocumentQuery(collection, matching, archived, limit=LIST_LIMIT_MAX)
    while True:
        page = documents.page(db, query)
        yield from page.items
        if page.following is None:
            return
        query = replace(query, cursor=page.following)
