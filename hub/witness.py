"""What the hub committed, written down outside its database, so that an older one put in its place is found out.

Invariant: the witness names a head that was durable before it was written, so a database without that head is an older
one or another. It is written at start, at stop, when a node leaves and once a minute, never for each commit: it costs
nothing, and what a rollback takes back within that minute the nodes' salted cursors find.
"""

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from hub.store.interface import Head, HubStore
from protocol.ids import ChainId, HubSeq, Salt
from runtime.folder import Folder, FolderError
from runtime.store import StoreError

WITNESS_FILE: Final = "hub.witness"
WRITE_EVERY_S: Final = 60.0
DEPARTURES_KEPT_MAX: Final = 4_000
"""A file of the folder has at most a megabyte. A chain has a handful of departures; nodes and backups hold them too."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Witness:
    """What was true when it was written; empty when there is none."""

    chain: ChainId | None = None
    head: Head | None = None
    departures: tuple[bytes, ...] = field(default=())

    def with_departures(self, records: Iterable[bytes]) -> "Witness":
        """The same, with these departures too."""
        return replace(self, departures=tuple(dict.fromkeys((*records, *self.departures))))


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    chain: str
    hub_seq: int
    salt: str
    departures: list[str]


def read_witness(folder: Folder) -> Witness:
    """The folder's witness; blocks. One that cannot be read witnesses nothing."""
    try:
        kept = _Kept.model_validate_json(folder.read(WITNESS_FILE))
        return Witness(
            ChainId(bytes.fromhex(kept.chain)),
            Head(HubSeq(kept.hub_seq), Salt(bytes.fromhex(kept.salt))),
            tuple(base64.b64decode(each, validate=True) for each in kept.departures),
        )
    except FileNotFoundError:
        return Witness()
    except (OSError, FolderError, ValidationError, ValueError) as error:
        _log.warning("the witness cannot be read", reason=str(error))
        return Witness()


def write_witness(folder: Folder, witness: Witness) -> None:
    """Replace the witness; blocks, durable on return. Raises: OSError."""
    assert witness.chain is not None, "read from a store"
    assert witness.head is not None, "read from a store"
    kept = _Kept(
        chain=witness.chain.hex(),
        hub_seq=witness.head.hub_seq,
        salt=witness.head.salt.hex(),
        departures=[
            base64.b64encode(each).decode() for each in witness.departures[:DEPARTURES_KEPT_MAX]
        ],
    )
    folder.write_private(WITNESS_FILE, kept.model_dump_json().encode())


class WitnessWriter:
    """Keeps the witness of a hub that serves.

    Args:
        folder: where it is written; the data folder, or one on another disk.
        store: what it is about.
    """

    def __init__(self, folder: Folder, store: HubStore) -> None:
        self._folder = folder
        self._store = store
        self._written: Witness | None = None
        self._due = asyncio.Event()

    def write_soon(self) -> None:
        """Have it written now, in the background."""
        self._due.set()

    async def run(self) -> None:
        """Write it now and then, for ever; cancelled, it has written what it was writing."""
        while True:
            self._due.clear()
            await self.write()
            try:
                async with asyncio.timeout(WRITE_EVERY_S):
                    await self._due.wait()
            except TimeoutError:
                pass

    async def write(self) -> None:
        """Write it if anything has changed; what the disk refuses is logged, and tried again in a minute."""
        try:
            history, departures = await self._store.history(), await self._store.departures()
            witness = Witness(history.chain, history.head, tuple(departures.values()))
            if witness != self._written:
                await asyncio.to_thread(write_witness, self._folder, witness)
                self._written = witness
        except (StoreError, OSError) as error:
            _log.warning("the witness was not written", reason=str(error))
