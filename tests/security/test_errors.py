"""S41: whatever breaks inside, the answer is a code, one sentence and an id, and nothing of what broke."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from tests.node.api.caller import ApiCaller, sale
from tests.node.enrolled import Shop
from tests.security.addresses import ALL, ENDLESS, OPEN

INSIDE = (
    b"sqlite",
    b"no such",
    b"traceback",
    b"select ",
    b"error:",
    b".py",
    b"gone",
    b"line ",
    b"everstock_",
    b"exception",
)


RENAMING = """
SELECT 'ALTER TABLE "' || name || '" RENAME TO "gone_' || name || '"' FROM sqlite_schema
WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'sku_search_%'
"""


def take_tables_away(database: Path) -> None:
    """Make every statement fail, as a bug in it would."""
    with contextlib.closing(sqlite3.connect(database)) as db, db:
        db.execute("PRAGMA legacy_alter_table=ON")
        changes = db.execute(RENAMING).fetchall()
        assert len(changes) > 20
        for (statement,) in changes:
            db.execute(statement)


async def test_s41_a_fault_inside_any_handler_tells_nothing_of_itself(
    shop: Shop, operator: ApiCaller
) -> None:
    assert (await operator.record("k", sale(("A1", -1)))).status == 201
    await asyncio.to_thread(take_tables_away, shop.database)
    broken = 0
    for method, path in ALL:
        if path in OPEN or path in ENDLESS or path.startswith("/v1/operator/lan"):
            continue
        headers = {"Idempotency-Key": "k2", "Content-Type": "application/json"}
        body = sale(("A1", -1)) if path == "/v1/movements" else {"name": "till-9"}
        content = {} if method in {"GET", "DELETE"} else {"json": body}
        reply = await operator.ask(method, path, headers=headers, **content)
        if reply.status < 500:
            continue  # it was refused before, or asks memory alone
        broken += 1
        assert reply.code in {"internal", "unavailable"}, path
        told = reply.body.lower()
        assert not [words for words in INSIDE if words in told], (path, reply.body)
        assert str(shop.folder.path).encode() not in reply.body
    assert broken > 20, "or nothing was tried"
    assert (await operator.ask("GET", "/healthz")).status == 200
