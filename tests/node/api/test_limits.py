"""Every cap of the HTTP surface: at the cap a request passes, one more is refused and records nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from protocol.limits import (
    BATCH_MOVEMENTS_MAX,
    CODE_CHARS_MAX,
    CURSOR_CHARS_MAX,
    DELTA_MAX,
    IDEMPOTENCY_KEY_CHARS_MAX,
    LINES_MAX,
    LIST_LIMIT_DEFAULT,
    LIST_LIMIT_MAX,
    NOTE_CHARS_MAX,
    REASON_CHARS_MAX,
    REFERENCE_CHARS_MAX,
)
from tests.node.api.caller import ApiCaller, movement, sale

CAPS: dict[str, tuple[Callable[[int], dict[str, Any]], int]] = {
    "SKU": (lambda size: sale(("A" * size, -1)), CODE_CHARS_MAX),
    "reference": (lambda size: sale(("A1", -1), reference="r" * size), REFERENCE_CHARS_MAX),
    "reason": (lambda size: movement("waste", ("A1", -1), reason="r" * size), REASON_CHARS_MAX),
    "note": (lambda size: sale(("A1", -1), note="n" * size), NOTE_CHARS_MAX),
    "lines": (lambda size: sale(*[("A1", -1)] * size), LINES_MAX),
    "delta": (lambda size: sale(("A1", -size)), DELTA_MAX),
}


@pytest.mark.parametrize(("body", "cap"), CAPS.values(), ids=CAPS)
async def test_a_movement_at_a_cap_passes_and_beyond_it_records_nothing(
    till: ApiCaller, body: Callable[[int], dict[str, Any]], cap: int
) -> None:
    assert (await till.record("beyond", body(cap + 1))).status == 422
    assert (await till.get("/v1/movements"))["items"] == []
    assert (await till.record("at", body(cap))).status == 201


async def test_a_key_at_its_cap_passes_and_beyond_it_is_none(till: ApiCaller) -> None:
    beyond = await till.record("k" * (IDEMPOTENCY_KEY_CHARS_MAX + 1), sale(("A1", -1)))
    assert (beyond.status, beyond.code) == (400, "idempotency_key_missing")
    assert (await till.record("k" * IDEMPOTENCY_KEY_CHARS_MAX, sale(("A1", -1)))).status == 201


async def test_a_batch_at_its_cap_passes_and_beyond_it_records_nothing(till: ApiCaller) -> None:
    items = [{"key": f"k{n}", **sale(("A1", -1))} for n in range(BATCH_MOVEMENTS_MAX + 1)]
    assert (await till.record_batch(items)).status == 422
    assert await till.on_hand("A1") == 0
    assert (await till.record_batch(items[:-1])).status == 200
    assert await till.on_hand("A1") == -BATCH_MOVEMENTS_MAX


async def test_a_list_has_its_default_length_and_at_most_its_longest(till: ApiCaller) -> None:
    items = [{"key": f"k{n}", **sale((f"A{n}", -1))} for n in range(LIST_LIMIT_DEFAULT + 1)]
    await till.record_batch(items)
    assert len((await till.get("/v1/stock"))["items"]) == LIST_LIMIT_DEFAULT
    assert len((await till.get(f"/v1/stock?limit={LIST_LIMIT_MAX}"))["items"]) == len(items)
    assert (await till.ask("GET", f"/v1/stock?limit={LIST_LIMIT_MAX + 1}")).status == 422


async def test_a_cursor_beyond_its_cap_is_refused_unread(till: ApiCaller) -> None:
    reply = await till.ask("GET", f"/v1/stock?cursor={'A' * (CURSOR_CHARS_MAX + 1)}")
    assert (reply.status, reply.code) == (422, "validation_failed")
