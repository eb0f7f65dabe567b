"""The live stream from outside: what it tells, how it resumes, who may listen, and how it ends."""

import asyncio
import contextlib
import random

import aiohttp
import pytest

from node.node import Node
from protocol.limits import LIVE_STREAMS_PER_CALLER_MAX
from tests.node.api.caller import ApiCaller, Http, sale
from tests.node.live.listener import WAYS, Listener, Mirror, Way

both_ways = pytest.mark.parametrize("way", WAYS)
OTHER_LIFE = "0123456789abcdef.5"


def listener(
    till: ApiCaller,
    way: Way = "/v1/events",
    *,
    mirror: Mirror | None = None,
    scopes: str | None = None,
    since: str | None = None,
) -> Listener:
    """A listener with the till's token."""
    return Listener(
        till.http.session,
        str(till.http.make_url("")),
        till.token,
        way=way,
        mirror=mirror,
        scopes=scopes,
        since=since,
    )


async def mirror_is_like_rest(listening: Listener, till: ApiCaller) -> None:
    """Wait until the mirror holds exactly what REST shows."""
    _, rows = await till.books()
    await listening.until_true(lambda: listening.mirror.rows() == rows)


@both_ways
async def test_a_sale_is_told_as_rest_shows_it(till: ApiCaller, way: Way) -> None:
    async with listener(till, way) as listening:
        opening = await listening.until("sync")
        now = await till.get("/v1/sync")
        # Meanwhile the node may have found out that there is no hub.
        assert {**opening.data, "last_error": now["last_error"]} == now
        recorded = (await till.record("k1", sale(("A1", -2), ("B2", -1)))).json()
        movement = await listening.until("movement")
        told = [each for each in listening.mirror.events if each.event != "sync"]
        assert [each.event for each in told] == ["stock", "stock", "movement"]
        assert movement.data == await till.get(f"/v1/movements/{recorded['id']}")
        assert listening.mirror.rows() == (await till.get("/v1/stock"))["items"]
        first, second, _ = told
        assert first.id == second.id == opening.id, "told in part is not told"
        assert movement.n == opening.n + 1


@both_ways
async def test_whoever_resumes_is_told_the_last_state_of_all_that_changed(
    till: ApiCaller, way: Way
) -> None:
    async with listener(till, way) as listening:
        await listening.until("sync")
        await till.record("k0", sale(("A1", -1)))
        await listening.until("movement")
        mirror = listening.mirror
    for number in range(1, 6):
        await till.record(f"k{number}", sale(("A1", -1), ("B2", -1)))
    async with listener(till, way, mirror=mirror, since=mirror.id) as listening:
        await mirror_is_like_rest(listening, till)
        assert "resync" not in mirror.names()
        movements = [one["id"] for one in (await till.get("/v1/movements"))["items"]]
        await listening.until("movement", 6)
        assert mirror.movements == movements[::-1], "each once, in order"


async def test_a_browser_resumes_by_its_header(till: ApiCaller) -> None:
    await till.record("k1", sale(("A1", -1)))
    url, headers = till.http.make_url("/v1/events"), {"Authorization": f"Bearer {till.token}"}
    async with till.http.session.get(
        url, params={"since": "0"}, headers={**headers, "Last-Event-ID": OTHER_LIFE}
    ) as answer:
        lines = [await answer.content.readline() for _ in range(5)]
    assert lines[0].startswith(b"retry: ")
    assert lines[4] == b'data: {"reason":"other_life"}\n'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"


@both_ways
@pytest.mark.parametrize(
    ("since", "reason"),
    [("0", "requested"), (OTHER_LIFE, "other_life"), ("{life}.99", "beyond_head")],
)
async def test_an_id_that_cannot_be_resumed_gets_a_snapshot(
    till: ApiCaller, way: Way, since: str, reason: str
) -> None:
    await till.record("k1", sale(("A1", -1), ("B2", -2)))
    life = (await till.get("/v1/sync"))["replica"][:16]
    async with listener(till, way, since=since.format(life=life)) as listening:
        end = await listening.until("sync")
        assert listening.mirror.names() == ["resync", "stock", "stock", "sync"]
        assert listening.mirror.events[0].data == {"reason": reason}
        assert {told.id for told in listening.mirror.events[:-1]} == {f"{life}.0"}
        assert end.id == f"{life}.2", "after the note of the token, and the sale"
        assert listening.mirror.rows() == (await till.get("/v1/stock"))["items"]


@both_ways
async def test_a_stream_of_a_scope_is_told_of_nothing_else(till: ApiCaller, way: Way) -> None:
    async with (
        listener(till, way, scopes="stock:S01") as stock,
        listener(till, way, scopes="docs:S01,catalogue") as documents,
        listener(till, way, scopes="stock:S02,mail:S01") as elsewhere,
        listener(till, way) as everything,
    ):
        for listening in (stock, documents, elsewhere, everything):
            await listening.until("sync")
        for number in range(3):
            await till.record(f"k{number}", sale(("A1", -1)))
        await documents.until("movement", 3)
        await everything.until("movement", 3)
        await stock.until_true(lambda: stock.mirror.stock["S01", "A1"]["on_hand"] == -3)
        assert set(stock.mirror.names()) == {"sync", "stock"}
        assert set(documents.mirror.names()) == {"sync", "movement"}
        assert set(elsewhere.mirror.names()) == {"sync"}


@both_ways
async def test_a_mirror_equals_rest_whatever_is_cut(till: ApiCaller, way: Way) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    mirror, sold = Mirror(), 0

    async def sell(count: int) -> None:
        nonlocal sold
        for _ in range(count):
            sold += 1
            lines = [(rng.choice("ABCDEFGH"), -rng.randint(1, 3)) for _ in range(3)]
            await till.record(f"k{sold}", sale(*lines))

    await sell(1)  # to resume by the id of an empty database is to ask for a snapshot
    async with listener(till, way, mirror=mirror) as listening:
        await listening.until("sync")
    for _ in range(12):
        selling = asyncio.create_task(sell(rng.randint(1, 15)))
        async with listener(till, rng.choice(WAYS), mirror=mirror, since=mirror.id) as listening:
            with contextlib.suppress(TimeoutError):  # few sales may be told in fewer events
                async with asyncio.timeout(0.3):
                    await listening.until_count(len(mirror.events) + rng.randint(1, 12))
        await selling
    async with listener(till, way, mirror=mirror, since=mirror.id) as listening:
        await mirror_is_like_rest(listening, till)
        newest = (await till.get("/v1/movements"))["items"][0]["id"]
        await listening.until_true(lambda: mirror.movements[-1:] == [newest])
    movements = [one["id"] for one in (await till.get("/v1/movements", limit=1000))["items"]]
    assert len(movements) == sold
    assert mirror.movements == movements[-2::-1], "each after the first, once, in order"


async def last_message(socket: aiohttp.ClientWebSocketResponse) -> aiohttp.WSMessage:
    """The first message that is not an event."""
    while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
        pass
    return message


async def ask(till: ApiCaller, path: str, **headers: str) -> tuple[int, str]:
    """What a stream that must not open is answered: status and code."""
    reply = await till.ask(
        "GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    return reply.status, reply.code


@pytest.mark.parametrize("path", WAYS)
@pytest.mark.parametrize(
    "asked",
    [
        "since=1",
        "since=",
        "since=0123456789abcdef",
        "since=0123456789abcdef.01",
        "since=0123456789ABCDEF.1",
        "since=0123456789abcdef.1000000000000000000",
        "scopes=",
        "scopes=stock",
        "scopes=stock:S01,",
        "scopes=stock:S01,everything",
        "scopes=stock:S01&scopes=docs:S01",
        "other=1",
    ],
)
async def test_what_is_no_request_for_a_stream_is_refused(
    till: ApiCaller, path: str, asked: str
) -> None:
    assert await ask(till, f"{path}?{asked}") == (422, "validation_failed")


async def test_a_malformed_last_event_id_is_refused(till: ApiCaller) -> None:
    assert await ask(till, "/v1/events", Last_Event_ID="x") == (422, "validation_failed")


async def test_a_scope_that_this_node_does_not_read_is_refused(till: ApiCaller) -> None:
    assert await ask(till, "/v1/events?scopes=docs:S02") == (403, "forbidden")


async def test_a_plain_request_gets_no_socket(till: ApiCaller) -> None:
    assert await ask(till, "/v1/live") == (400, "bad_request")
    upgrade = {
        "Authorization": f"Bearer {till.token}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    url = till.http.make_url("/v1/live")
    async with till.http.session.head(url, headers=upgrade) as answer:
        assert answer.status == 400, "a socket is asked for by GET"


@pytest.mark.parametrize("path", WAYS)
async def test_nobody_listens_without_a_token(http: Http, path: str) -> None:
    assert (await http.get(path)).status == 401


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null"])
async def test_a_foreign_page_gets_no_stream(till: ApiCaller, origin: str) -> None:
    for path in WAYS:
        assert await ask(till, path, Origin=origin) == (403, "foreign_origin")
    headers = {"Authorization": f"Bearer {till.token}", "Origin": origin}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await till.http.ws_connect("/v1/live", headers=headers)
    assert refused.value.status == 403


@both_ways
async def test_revoking_a_till_ends_its_streams_and_no_others(
    till: ApiCaller, node: Node, way: Way
) -> None:
    other = ApiCaller(till.http, await node.callers.create_token("till-2"))
    async with listener(till, way) as revoked, listener(other, way) as stays:
        await revoked.until("sync")
        await stays.until("sync")
        await node.callers.revoke_tokens("till-1")
        await revoked.ended()
        await other.record("k1", sale(("A1", -1)))
        await stays.until("movement")
        assert "movement" not in revoked.mirror.names()


async def test_a_revoked_socket_is_told_why(till: ApiCaller, node: Node) -> None:
    headers = {"Authorization": f"Bearer {till.token}"}
    async with till.http.ws_connect("/v1/live", headers=headers) as socket:
        await socket.receive_json()
        await node.callers.revoke_tokens("till-1")
        message = await last_message(socket)
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)


async def test_a_reader_that_speaks_is_shown_the_door(till: ApiCaller) -> None:
    headers = {"Authorization": f"Bearer {till.token}"}
    async with till.http.ws_connect("/v1/live", headers=headers) as socket:
        await socket.receive_json()
        await socket.send_str("hello")
        message = await last_message(socket)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)
        assert socket.compress == 0


async def test_the_end_of_the_node_ends_its_streams_at_once(till: ApiCaller) -> None:
    headers = {"Authorization": f"Bearer {till.token}"}
    socket = await till.http.ws_connect("/v1/live", headers=headers)
    await socket.receive_json()
    async with listener(till) as events:
        await events.until("sync")
        began_s = asyncio.get_running_loop().time()
        closing = asyncio.create_task(till.http.server.close())
        message = await last_message(socket)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        await events.ended()
        await closing
    assert asyncio.get_running_loop().time() - began_s < 4, "connections were waited for"


async def test_a_caller_has_so_many_streams_and_another_its_own(
    till: ApiCaller, node: Node
) -> None:
    url, headers = till.http.make_url("/v1/events"), {"Authorization": f"Bearer {till.token}"}
    open_ = [
        await till.http.session.get(url, headers=headers)
        for _ in range(LIVE_STREAMS_PER_CALLER_MAX)
    ]
    refused = await till.ask("GET", "/v1/events")
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) > 0
    async with listener(ApiCaller(till.http, await node.callers.create_token("till-2"))) as other:
        await other.until("sync")
    open_[0].close()
    await asyncio.sleep(0.05)
    async with listener(till) as again:
        await again.until("sync")
    for answer in open_:
        answer.close()
