"""The floor under a hub: a relay that hands every WebSocket message on to everybody else and keeps nothing.

`python -m tests.bench.floor_relay` listens on any free port.
"""

import uvloop
from aiohttp import WSMsgType, web

from tests.bench.floor_server import serve


async def _main() -> None:
    lines: set[web.WebSocketResponse] = set()

    async def relay(request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse(compress=False)
        await line.prepare(request)
        lines.add(line)
        async for message in line:
            if message.type is WSMsgType.BINARY:
                for other in lines - {line}:
                    await other.send_bytes(message.data)
        lines.discard(line)
        return line

    app = web.Application()
    app.add_routes([web.get("/", relay)])
    await serve(app)


if __name__ == "__main__":
    uvloop.run(_main())
