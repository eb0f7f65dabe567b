"""Reading a store the way a node does: page by page to the end."""

from hub.store.interface import HubStore
from protocol.digest import of_rows
from protocol.frames.feed import Page
from protocol.ids import HubSeq, Scope
from protocol.rows import CounterRow, DocumentRow, Row
from protocol.wire import decode, encode


async def read_pages(store: HubStore, scope: str, base: int = 0) -> list[Page]:
    """Every page of a scope after `base`, each checked to survive the wire."""
    pages: list[Page] = []
    more = True
    while more:
        page = await store.page(Scope(scope), HubSeq(base))
        assert decode(encode(page)) == page
        pages.append(page)
        base, more = page.to, page.more
    return pages


async def read_rows(store: HubStore, scope: str) -> list[Row]:
    """Every row of a scope, in order."""
    return [row for page in await read_pages(store, scope) for row in page.rows]


async def totals(store: HubStore, location: str) -> dict[str, int]:
    """What the counters of a location say, by SKU; accounts and lots in the name where there are any."""
    rows = await read_rows(store, f"stock:{location}")
    return {
        "/".join(
            [row.sku, *([row.lot] if row.lot else []), *([str(row.account)] * (row.account > 0))]
        ): row.total
        for row in rows
        if isinstance(row, CounterRow)
    }


async def fields(store: HubStore, scope: str, document: str) -> dict[str, object]:
    """A document's values."""
    for row in await read_rows(store, scope):
        if isinstance(row, DocumentRow) and row.id == document:
            return {name: state.value for name, state in row.document.fields.items()}
    return {}


async def assert_digest_fits(store: HubStore, scope: str) -> None:
    """The digest as kept is that of the rows as read."""
    rows = await read_rows(store, scope)
    kept = await store.digest(Scope(scope))
    assert kept.digest == of_rows(rows)
    assert kept.hub_seq == max((row.hub_seq for row in rows), default=0)
