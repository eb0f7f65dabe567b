"""`GET /docs`: a page on which the interface is read and tried, served whole from this package.

Rule: nothing on it comes from or goes to another machine. It holds nothing of the shop, so it needs no token; whoever
tries an address on it types one, and the page forgets it when it is closed.
"""

from pathlib import Path
from typing import Annotated, Final

from aiohttp import web
from pydantic import WithJsonSchema

from node.api.queries import Address
from node.api.typed import Answers
from runtime.guards import HEADERS
from runtime.problems import Problem

_ASSETS: Final = Path(__file__).parent / "assets"
# Swagger UI's own icons are data: URLs in its style sheet. Styles, scripts and calls stay our own.
_POLICY: Final = f"{HEADERS['Content-Security-Policy']}; img-src 'self' data:"
_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".png": "image/png",
}
_PAGE: Final = "page.html"
FILES: Final = (
    "favicon-32x32.png",
    "page.css",
    "page.js",
    "swagger-ui-bundle.js",
    "swagger-ui.css",
)


class FileAddress(Address):
    """What the page consists of."""

    file: Annotated[str, WithJsonSchema({"type": "string", "enum": [*FILES]})]


Page = Annotated[web.Response, Answers(media_type="text/html")]
File = Annotated[web.Response, Answers(media_type="*/*")]


async def show() -> Page:
    """Show the page on which this interface is tried."""
    return _response(_PAGE)


async def show_file(address: FileAddress) -> File:
    """Send a part of the page."""
    if address.file not in FILES:
        raise Problem("not_found", "The page has no such part.")
    return _response(address.file)


def _response(name: str) -> web.Response:
    content, packed = _CONTENT[name]
    headers = {
        "Content-Security-Policy": _POLICY,
        "Content-Type": f"{_TYPES[Path(name).suffix]}; charset=utf-8",
    }
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=content, headers=headers)


def _read(name: str) -> tuple[bytes, bool]:
    packed = _ASSETS / f"{name}.gz"
    return (
        (packed.read_bytes(), True) if packed.exists() else ((_ASSETS / name).read_bytes(), False)
    )


# Read when the daemon starts: half a megabyte, and no request waits for the disk.
_CONTENT: Final = {name: _read(name) for name in (_PAGE, *FILES)}
