"""How a node reaches its hub: a line opened by a WebSocket.

Invariant: whatever goes wrong before the line is open is told apart here into what a hub that is there did wrong
(ProtocolError) and a hub that is not (OSError, TimeoutError); the uplink knows no other library's errors.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from aiohttp import ClientError, ClientSession, ClientTimeout, WSServerHandshakeError

from protocol.errors import Code, ProtocolError
from protocol.limits import FRAME_BYTES_MAX, HANDSHAKE_S_MAX, HEARTBEAT_S
from protocol.wire import SUBPROTOCOL
from runtime.line import Line, WebSocketLine

Dial = Callable[[str], AbstractAsyncContextManager[Line]]
"""Opens a line to the hub at an address, and closes it behind the caller.

Raises: ProtocolError, OSError, TimeoutError.
"""


def over_web_socket(tls: ssl.SSLContext | None) -> Dial:
    """How a real node dials; `tls` where the system's authorities are not the ones to check the hub by."""
    return partial(_open, tls=tls)


@contextlib.asynccontextmanager
async def _open(hub_url: str, *, tls: ssl.SSLContext | None) -> AsyncIterator[Line]:
    async with ClientSession(timeout=ClientTimeout(connect=HANDSHAKE_S_MAX)) as http:
        try:
            async with asyncio.timeout(HANDSHAKE_S_MAX):
                socket = await http.ws_connect(
                    f"{hub_url}/v1/session",
                    protocols=[SUBPROTOCOL],
                    max_msg_size=FRAME_BYTES_MAX,
                    heartbeat=HEARTBEAT_S,
                    compress=0,
                    ssl=True if tls is None else tls,
                )
        except WSServerHandshakeError as error:
            detail = f"the hub's address answers {error.status}"
            raise ProtocolError(Code.UNEXPECTED, detail) from error
        except ClientError as error:
            raise ConnectionError(str(error)) from error
        async with socket:
            yield WebSocketLine(socket)
