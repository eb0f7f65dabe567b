"""`/v1/events` and `/v1/live`: what this node shows, told as it changes, as server-sent events and over a WebSocket.

Rule: both tell the same events with the same ids, and a reader may go from one to the other. What a reader has not
taken in `LIVE_WRITE_S_MAX` seconds ends its connection, not its place: it resumes by the last id it has.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Annotated, Final, cast

import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from node.api.authentication import credential
from node.api.context import NODE
from node.api.headers import Header
from node.api.queries import Query
from node.api.typed import Answers
from node.commands.requests import Caller, Refusal
from node.live.events import Frame, Since, since_of
from node.live.stream import End, Stream
from protocol.ids import Scope, scope_is_valid
from protocol.limits import (
    LIVE_HEARTBEAT_S,
    LIVE_MESSAGE_BYTES_MAX,
    LIVE_RETRY_MS,
    SCOPES_MAX,
)
from runtime.guards import check_upgrade
from runtime.problems import Problem
from runtime.store import StoreError

EVENT_STREAM: Final = "text/event-stream"
CLOSE_S: Final = 2.0
"""How long a reader may take to say goodbye to a WebSocket."""
RETRY_AFTER_S: Final = 5
PIECE_BYTES: Final = 32 * 1024
_ID_SCHEMA: Final = {"type": "string", "pattern": r"^(0|[0-9a-f]{16}\.(0|[1-9][0-9]{0,17}))$"}
_CLOSE_CODES: Final = {
    End.SPOKE: WSCloseCode.POLICY_VIOLATION,
    End.STOPPED: WSCloseCode.GOING_AWAY,
    End.REVOKED: WSCloseCode.POLICY_VIOLATION,
    End.FAILED: WSCloseCode.TRY_AGAIN_LATER,
}

_log = structlog.get_logger(__name__)


def _scopes(text: object) -> frozenset[Scope]:
    names = str(text).split(",")
    if len(names) > SCOPES_MAX or not all(scope_is_valid(name) for name in names):
        raise PydanticCustomError("scopes", "must be scopes separated by commas")
    return frozenset(Scope(name) for name in names)


def _since(text: object) -> Since:
    since = since_of(str(text))
    if since is None:
        raise PydanticCustomError("since", "must be an id that a stream has sent, or 0")
    return since


class LiveAsked(Query):
    """Which events to send, and from where on.

    A comma always separates: a location whose code has one is told of by a stream of everything. Movements and
    documents of a location are in its `docs:` scope, stock in its `stock:` scope.
    """

    scopes: (
        Annotated[
            frozenset[Scope],
            PlainValidator(_scopes),
            WithJsonSchema({"type": "string", "minLength": 1, "examples": ["stock:S01,docs:S01"]}),
        ]
        | None
    ) = None
    """Scopes separated by commas; without it everything that this node shows."""
    since: Annotated[Since, PlainValidator(_since), WithJsonSchema(_ID_SCHEMA)] | None = None
    """The id of the last event that was received; 0 asks for a snapshot. Without it: from now on."""


def _last_event_id(request: web.Request) -> Since | None:
    given = request.headers.get("Last-Event-ID", "")
    try:
        return _since(given) if given else None
    except PydanticCustomError as error:
        raise Problem("validation_failed", f"Last-Event-ID {error.message()}.") from error


LastEventId = Annotated[
    Annotated[str, WithJsonSchema(_ID_SCHEMA)] | None,
    Header(
        "Last-Event-ID",
        "The id of the last event that was received, as browsers send it by themselves; it goes before `since`.",
        _last_event_id,
        required=False,
    ),
]
EventStream = Annotated[web.StreamResponse, Answers(None, media_type=EVENT_STREAM)]
LiveSocket = Annotated[web.StreamResponse, Answers(None, status=101, media_type=None)]

Write = Callable[[Sequence[Frame]], Awaitable[None]]


async def show_events(
    request: web.Request, caller: Caller, asked: LiveAsked, last: LastEventId
) -> EventStream:
    """Tell what changes, as server-sent events.

    The first event is `sync`, or `resync` when a snapshot follows because the id cannot be resumed from.
    """
    headers = {"Content-Type": EVENT_STREAM, "X-Accel-Buffering": "no"}
    if request.method == "HEAD":
        return web.Response(headers=headers)
    async with _stream(request, caller, asked) as stream:
        response = web.StreamResponse(headers=headers)
        response.force_close()
        await response.prepare(request)
        await response.write(b"retry: %d\n\n" % LIVE_RETRY_MS)

        async def write(frames: Sequence[Frame]) -> None:
            for piece in _pieces(frames):
                await response.write(piece)

        since = cast("Since | None", last) or asked.since
        if await _pump(request, stream, since, write):
            with contextlib.suppress(ConnectionError):
                await response.write_eof()
    return response


async def show_live(
    request: web.Request, caller: Caller, asked: LiveAsked, last: LastEventId
) -> LiveSocket:
    """Tell what changes, over a WebSocket: a JSON text for each event, with `id`, `event` and `data`.

    Nothing is expected from the reader: a message from it ends the connection with 1008.
    """
    check_upgrade(request)
    socket = web.WebSocketResponse(
        timeout=CLOSE_S,
        heartbeat=LIVE_HEARTBEAT_S,
        compress=False,
        max_msg_size=LIVE_MESSAGE_BYTES_MAX,
    )
    if request.method == "HEAD" or not socket.can_prepare(request).ok:
        raise Problem("bad_request", "This address takes WebSockets only; the other is /v1/events.")
    async with _stream(request, caller, asked) as stream:
        await socket.prepare(request)

        async def write(frames: Sequence[Frame]) -> None:
            for frame in frames:
                await socket.send_frame(_text(frame), WSMsgType.TEXT)

        listening = asyncio.create_task(_listen(socket, stream), name="live: reader")
        try:
            since = cast("Since | None", last) or asked.since
            if await _pump(request, stream, since, write) and stream.ended in _CLOSE_CODES:
                code, why = _CLOSE_CODES[stream.ended], stream.ended.value.encode()
                await socket.close(code=code, message=why, drain=False)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    return socket


@contextlib.asynccontextmanager
async def _stream(request: web.Request, caller: Caller, asked: LiveAsked) -> AsyncIterator[Stream]:
    """A stream for this request, ended with it.

    Raises: Problem `forbidden`, `unauthenticated`, `rate_limited`, `unavailable`.
    """

    def has_gone() -> bool:
        return request.transport is None or request.transport.is_closing()

    node = request.app[NODE]
    try:
        stream = await node.open_stream(credential(request), asked.scopes, has_gone)
    except Refusal as refusal:
        late = refusal.code in {"rate_limited", "unavailable"}
        headers = {"Retry-After": str(RETRY_AFTER_S)} if late else {}
        raise Problem(refusal.code, refusal.detail, headers=headers) from refusal
    try:
        yield stream
    finally:
        node.live.leave(stream)


async def _pump(request: web.Request, stream: Stream, since: Since | None, write: Write) -> bool:
    """Write what the stream tells until it ends; False when the line was lost or cut."""
    metrics = request.app[NODE].metrics
    try:
        async with contextlib.aclosing(stream.batches(since)) as batches:
            async for frames in batches:
                if stream.ended is not None:
                    break
                async with stream.writing():
                    await write(frames)
                metrics.live_events.inc(len(frames))
    except ConnectionError:
        return False
    except StoreError as error:
        _log.warning("a live stream cannot be read", reason=str(error))
        stream.end(End.FAILED)
    except TimeoutError:
        # Closing would wait for the reader to take what is unsent, and that is what it does not do.
        if request.transport is not None:
            request.transport.abort()
        if stream.ended is None:
            metrics.live_cuts.inc()
        return False
    return True


async def _listen(socket: web.WebSocketResponse, stream: Stream) -> None:
    message = await socket.receive()
    spoke = message.type in {WSMsgType.TEXT, WSMsgType.BINARY}
    stream.end(End.SPOKE if spoke else End.LEFT)


def _pieces(frames: Sequence[Frame]) -> Iterator[bytes]:
    """Frames together, as far as they are small: one of a large movement may be 100 KB."""
    if not frames:
        yield b":\n\n"
    piece = b""
    for frame in frames:
        piece += _sse(frame)
        if len(piece) >= PIECE_BYTES:
            yield piece
            piece = b""
    if piece:
        yield piece


def _sse(frame: Frame) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        frame.id.encode(),
        frame.name.encode(),
        frame.data,
    )


def _text(frame: Frame) -> bytes:
    return b'{"id":"%b","event":"%b","data":%b}' % (
        frame.id.encode(),
        frame.name.encode(),
        frame.data,
    )
