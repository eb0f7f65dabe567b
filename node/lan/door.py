"""The door for other machines: HTTPS beside the loopback address, while the operator wants it.

Rules: the shop goes on when this door cannot be opened; it is tried again, and `lan status` and the log say why. The
certificate is renewed before it ends, and connections that are open go on. Closed, the door takes every connection with it.

What makes certificates is loaded when there is a door and not before: a node without one needs neither its time nor its memory.
"""

import asyncio
import errno
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from node.commands.requests import Refusal
from node.lan.names import Names, NotAName
from protocol.notes import Action, Entity, Note
from runtime.bounds import BOUNDS, Bounds, fit_descriptors
from runtime.connections import Beside, Runner, Serving, Site
from runtime.doors import Door
from runtime.folder import FolderError
from runtime.service import BACKLOG
from runtime.settings import SettingsError
from runtime.world import World

if TYPE_CHECKING:
    from node.lan.keeping import Kept, Shown, Wish

FOLDER_NAME: Final = "lan"
LISTEN: Final = "0.0.0.0:7311"
CONNECTIONS_MAX: Final = (
    256  # a shop's tills and screens, beside the places of the loopback address
)
DRAIN_S: Final = 1.0
LOOK_S: Final = 3_600.0
RETRY_S: Final = 5.0

_NOTHING: Final[Mapping[str, object]] = {
    "on": False,
    "listen": None,
    "names": [],
    "ca_file": None,
    "ca_fingerprint": None,
    "ca_ends_at": None,
    "certificate_ends_at": None,
}

_log = structlog.get_logger(__name__)


class Lan:
    """The door of one node.

    Args:
        data: the node's folder.
        world: for the time at which certificates begin and end.
        serving: who serves the node's application, once it is served.
        look_s: seconds between two looks at the certificate.
        retry_s: seconds after which it is tried again to open the door.
    """

    def __init__(
        self,
        data: Path,
        world: World,
        serving: Serving,
        *,
        look_s: float = LOOK_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._data = data
        self._world = world
        self._serving = serving
        self._look_s = look_s
        self._retry_s = retry_s
        self._changing = asyncio.Lock()
        self._beside: Beside | None = None
        self._address: tuple[str, int] | None = None
        self._context: ssl.SSLContext | None = None
        self._shown: Shown | None = None
        self._problem: str | None = None

    async def run(self) -> None:
        """Open it if it is wanted, and keep its certificate good; for ever."""
        runner = await self._serving.runner()
        while True:
            async with self._changing:
                await self._attend(runner)
            await asyncio.sleep(self._look_s if self._problem is None else self._retry_s)

    async def close(self) -> None:
        """Close it, with every connection that came in by it."""
        beside, self._beside, self._address = self._beside, None, None
        if beside is not None:
            await beside.cleanup()

    async def turn_on(
        self, listen: str | None, names: Sequence[str] | None, *, new_authority: bool
    ) -> Mapping[str, object]:
        """Open it, and again at every start; what is not said stays as it was said last. Durable on return.

        Raises:
            Refusal: `validation_failed` for what is no address or name, or none that the authority may sign for;
                `conflict` when the address cannot be had.
            FolderError, OSError: of the folder.
        """
        runner = await self._serving.runner()
        async with self._changing:
            kept = await asyncio.to_thread(kept_of, self._data)
            wish, shown = await asyncio.to_thread(
                prepare, kept, listen, names, self._world.now_ms(), new_authority=new_authority
            )
            await self.close()
            try:
                await self._open(runner, kept, wish, shown)
            except OSError as error:
                # As it was before, if it was open.
                await self._attend(runner)
                raise address_refusal(wish.listen, error) from error
            await asyncio.to_thread(kept.keep, wish)
            self._problem = None
        return await self.status()

    async def turn_off(self) -> Mapping[str, object]:
        """Close it, and leave it closed. Durable on return.

        Raises: FolderError, OSError.
        """
        async with self._changing:
            await asyncio.to_thread(switch_off, self._data)
            await self.close()
            self._problem = None
        return await self.status()

    async def status(self) -> Mapping[str, object]:
        """How it stands; what keeps it from being told is its problem."""
        found: dict[str, object] = {**_NOTHING, "problem": self._problem}
        try:
            found |= await asyncio.to_thread(status, self._data)
        except (FolderError, OSError) as error:
            found |= {"problem": str(error)}
        if self._address is not None:
            found |= {"on": True, "listen": _text(*self._address)}
        return {**found, "listening": self._beside is not None}

    async def _attend(self, runner: Runner) -> None:
        try:
            await self._have_as_wished(runner)
        except (OSError, FolderError, SettingsError, NotAName, Refusal) as error:
            words = str(error)
            if words != self._problem:
                _log.error("other machines cannot be served", reason=words)
            self._problem = words
        else:
            self._problem = None

    async def _have_as_wished(self, runner: Runner) -> None:
        if not await asyncio.to_thread(is_wished_for, self._data):
            await self.close()  # whoever asked for it went away before it was kept
            return
        kept = await asyncio.to_thread(kept_of, self._data)
        now_ms = self._world.now_ms()
        wish, shown = await asyncio.to_thread(prepare, kept, None, None, now_ms)
        if self._beside is None:
            await self._open(runner, kept, wish, shown)
        elif shown != self._shown and self._context is not None:
            await asyncio.to_thread(kept.load, self._context)
            self._beside.rename(_door(shown.names))
            self._shown = shown
            _log.info("the certificate was renewed", until=shown.certificate_ends.isoformat())

    async def _open(self, runner: Runner, kept: "Kept", wish: "Wish", shown: "Shown") -> None:
        context = await asyncio.to_thread(kept.context)
        bounds = runner.app.get(BOUNDS) or Bounds()
        both = bounds.connections_max + CONNECTIONS_MAX
        fit_descriptors(replace(bounds, connections_max=both))
        own = replace(bounds, connections_max=CONNECTIONS_MAX)
        beside = Beside(runner, own, _door(shown.names), drain_s=DRAIN_S)
        await beside.setup()
        host, port = wish.address
        try:
            await Site(beside, host, port, ssl_context=context, backlog=BACKLOG).start()
        except BaseException:
            await beside.cleanup()
            raise
        self._beside, self._context, self._shown = beside, context, shown
        self._address = (host, int(beside.addresses[0][1]))
        _log.info("other machines are served", listen=_text(*self._address))


def told(action: Action, found: Mapping[str, object]) -> Note:
    """What the audit is told when the door is opened or shut."""
    is_opened = action is Action.LAN_OPENED
    said = {"ca_fingerprint": found["ca_fingerprint"]} if is_opened else {}
    return Note(action, Entity("address", str(found["listen"] or "none")), said)


def prepare(
    kept: "Kept",
    listen: str | None,
    names: Sequence[str] | None,
    now_ms: int,
    *,
    new_authority: bool = False,
) -> tuple["Wish", "Shown"]:
    """What is wished for, and a good certificate for it; nothing is switched on by it. Blocks.

    Raises:
        Refusal: `validation_failed`.
        FolderError, OSError: of the folder.
    """
    from node.lan.authority import NotVouchedFor, at  # noqa: PLC0415 - see above
    from node.lan.keeping import Wish  # noqa: PLC0415 - see above

    before = kept.wish()
    wish = Wish(
        on=True,
        listen=listen or (LISTEN if before is None else before.listen),
        names=tuple(names) if names is not None else () if before is None else before.names,
    )
    try:
        return wish, kept.certify(wish, at(now_ms), new_authority=new_authority)
    except (NotVouchedFor, NotAName, SettingsError) as error:
        raise Refusal("validation_failed", str(error).rstrip(".")) from error


def switch_off(data: Path) -> None:
    """Leave the door closed at every start. Blocks; the caller holds the node's lock. Raises: FolderError, OSError."""
    if not is_known(data):
        return
    kept = kept_of(data)
    wish = kept.wish()
    if wish is not None:
        kept.keep(wish.model_copy(update={"on": False}))


def is_known(data: Path) -> bool:
    """Whether a door was ever wished for. Blocks."""
    return (data / FOLDER_NAME).is_dir()


def is_wished_for(data: Path) -> bool:
    """Whether the door is to be open. Blocks. Raises: FolderError, OSError."""
    wish = kept_of(data).wish() if is_known(data) else None
    return wish is not None and wish.on


def status(data: Path) -> dict[str, object]:
    """How it stands as far as the files say. Blocks. Raises: FolderError, OSError."""
    found = dict(_NOTHING)
    if not is_known(data):
        return found
    kept = kept_of(data)
    wish, shown = kept.wish(), kept.shown()
    if wish is not None:
        found |= {"on": wish.on, "listen": wish.listen}
    if shown is not None:
        found |= {
            "names": [*shown.names.hosts, *map(str, shown.names.addresses)],
            "ca_file": str(kept.trusted),
            "ca_fingerprint": shown.fingerprint,
            "ca_ends_at": shown.authority_ends.isoformat(),
            "certificate_ends_at": shown.certificate_ends.isoformat(),
        }
    return found


def address_refusal(listen: str, error: OSError) -> Refusal:
    """Why an address cannot be had."""
    if error.errno == errno.EADDRINUSE:
        return Refusal("conflict", f"{listen} is in use")
    return Refusal("conflict", f"{listen} is no address of this machine that can be listened at")


def kept_of(data: Path) -> "Kept":
    """The files of a node's door; makes none."""
    from node.lan.keeping import Kept  # noqa: PLC0415 - see above

    return Kept(data / FOLDER_NAME)


def _door(names: Names) -> Door:
    return Door(names.authorities(), is_for_others=True)


def _text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
