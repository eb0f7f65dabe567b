"""A daemon with one slow page, for tests that need a process: `sample_daemon FOLDER HOST`."""

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from runtime.folder import Folder
from runtime.logs import configure_logging
from runtime.metrics import new_registry
from runtime.service import EXIT_OK, STOP, new_app, run, serve

SLOW_S = 0.7


async def slow(_request: web.Request) -> web.Response:
    await asyncio.sleep(SLOW_S)
    return web.json_response({"finished": True})


async def echo(request: web.Request) -> web.Response:
    if request.headers["Authorization"] != "Bearer sesame":
        raise web.HTTPUnauthorized
    return web.json_response({"got": await request.json(), "loop": _loop_name()})


async def endless(_request: web.Request) -> web.Response:
    await asyncio.sleep(3_600)
    return web.Response()


async def stop(request: web.Request) -> web.Response:
    request.app[STOP].set()
    return web.Response(status=204)


def _loop_name() -> str:
    return type(asyncio.get_running_loop()).__module__


async def main(folder: Folder, host: str) -> int:
    app = new_app(list, new_registry())
    app.router.add_get("/slow", slow)
    app.router.add_get("/endless", endless)
    app.router.add_post("/echo", echo)
    app.router.add_post("/stop", stop)
    await serve(
        app,
        host=host,
        port=0,
        folder=folder,
        on_ready=lambda url: sys.stderr.write(f"ready {url}\n"),
    )
    sys.stderr.write("ended\n")
    return EXIT_OK


if __name__ == "__main__":
    configure_logging("info")
    data = Folder(Path(sys.argv[1]))
    with data.lock():
        sys.exit(run(main(data, sys.argv[2])))
