"""A CSV file (RFC 4180) read as a stream, twice, with the physical line on which each record begins.

Invariants: the second reading sees the bytes of the first or fails before any changed byte is used, because every
block is compared with its digest; memory is bounded whatever the file holds. A gzipped file (RFC 1952) is known by its
first bytes and read as it is: digests are of what lies on the disk.
"""

import codecs
import csv
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    _Buffered = io.BufferedReader[Any]

BLOCK_BYTES: Final = 1024 * 1024
"""What is compared at a time; its digest is kept: 16 bytes for each MiB of the file."""
RECORD_BYTES_MAX: Final = 1024 * 1024
"""Of one record over all its lines: the largest movement that a body may hold."""
COLUMNS_MAX: Final = 1_000
"""A till's export has a few dozen."""
DELIMITERS: Final = (",", ";", "\t")
_DIGEST_BYTES: Final = 16
_GZIP: Final = b"\x1f\x8b"
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class NotReadable(Exception):
    """The file is not one that can be imported; the message is one sentence."""


class FileChanged(NotReadable):
    """The file has other bytes than when it was checked."""


class Record(NamedTuple):
    """The cells of one record and the line, from 1, on which it begins. Bytes that are no text are lone surrogates."""

    line: int
    cells: list[str]


class Garbled(NamedTuple):
    """A record that cannot be told apart; with `ends` nothing after it can either."""

    line: int
    problem: str
    ends: bool


@dataclass(frozen=True, slots=True)
class Seal:
    """What a file held: the digest of all its bytes in hex, and of each block."""

    digest: str
    blocks: tuple[bytes, ...]


class SourceFile:
    """An ordinary file, open for reading. Renaming or replacing it changes nothing here."""

    def __init__(self, descriptor: int, path: Path, size: int) -> None:
        self._descriptor = descriptor
        self.path = path
        self.size = size
        """In bytes, when opened."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file; a symbolic link is followed.

        Raises: NotReadable for a folder, pipe or device, which cannot be read twice; OSError.
        """
        # Opening a pipe waits for whoever writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise NotReadable(f"{path} is not an ordinary file; it must be readable twice")
        return cls(descriptor, path, found.st_size)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def read(self, seal: Seal | None = None) -> "Reading":
        """Read from the beginning; with `seal`, only what it was made of."""
        return Reading(_Blocks(self._descriptor, self.path, seal))


class Reading:
    """One pass over a file."""

    def __init__(self, blocks: "_Blocks") -> None:
        self._blocks = blocks
        self._stored: _Buffered = io.BufferedReader(blocks, buffer_size=BLOCK_BYTES)
        self._stream: _Buffered = self._stored
        self._lines: _Lines | None = None

    @property
    def bytes_read(self) -> int:
        """How far into the file the records have come."""
        if self._stream is not self._stored:
            return self._blocks.offset
        return 0 if self._lines is None else self._lines.bytes_read

    def records(self, *, delimiter: str | None, encoding: str) -> Iterator[Record | Garbled]:
        """Every record that is not blank, the header first; without `delimiter` the header decides.

        Raises: NotReadable; FileChanged; OSError.
        """
        if self._stored.peek(len(_GZIP)).startswith(_GZIP):
            unpacked = _Unpacked(self._stored)
            self._stream = io.BufferedReader(unpacked, buffer_size=BLOCK_BYTES)
        head = self._stream.peek(BLOCK_BYTES)[:RECORD_BYTES_MAX]
        if head.startswith(_UTF_16):
            raise NotReadable("the file is UTF-16; save it as UTF-8")
        first_line = head.partition(b"\n")[0].decode(encoding, "surrogateescape")
        self._lines = _Lines(self._stream, encoding)
        return _records(self._lines, delimiter or _delimiter_of(first_line))

    def seal(self) -> Seal:
        """What the file held; call it once, after reading. Reads what is left."""
        while self._stored.read(BLOCK_BYTES):
            pass
        return self._blocks.seal()


class _Unpacked(io.RawIOBase):
    """What a gzipped file holds, unpacked as it is asked for."""

    def __init__(self, stored: "_Buffered") -> None:
        self._unpacking = gzip.GzipFile(fileobj=stored)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        try:
            return self._unpacking.readinto(buffer)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise NotReadable("the file is a damaged gzip file") from None


class _Blocks(io.RawIOBase):
    """The file block by block, each compared before a byte of it is handed on."""

    def __init__(self, descriptor: int, path: Path, seal: Seal | None) -> None:
        self._descriptor = descriptor
        self._path = path
        self._expected = seal
        self._whole = blake2b(digest_size=_DIGEST_BYTES)
        self._digests: list[bytes] = []
        self._block = memoryview(b"")
        self.offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not self._block:
            self._block = memoryview(self._next_block())
        target = memoryview(buffer)
        count = min(len(target), len(self._block))
        target[:count] = self._block[:count]
        self._block = self._block[count:]
        return count

    def seal(self) -> Seal:
        return Seal(self._whole.hexdigest(), tuple(self._digests))

    def _next_block(self) -> bytes:
        try:
            block = os.pread(self._descriptor, BLOCK_BYTES, self.offset)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        digest = blake2b(block, digest_size=_DIGEST_BYTES).digest() if block else b""
        if self._expected is not None:
            number, known = len(self._digests), self._expected.blocks
            # Behind the last block there must be nothing.
            if digest != (known[number] if number < len(known) else b""):
                raise FileChanged(f"{self._path} was changed after it was checked")
        if block:
            self._digests.append(digest)
            self._whole.update(block)
            self.offset += len(block)
        return block


class _RecordTooLong(Exception):
    """More lines than a record may have; the csv module passes it on as it is."""


class _Lines:
    """Physical lines as text, counted, for the csv module."""

    def __init__(self, stream: "_Buffered", encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self.number = 0
        self.bytes_read = 0
        self.room_bytes = 0
        """What the present record may still take."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(self.room_bytes + 1)
        if not line:
            raise StopIteration
        self.bytes_read += len(line)
        self.room_bytes -= len(line)
        if self.room_bytes < 0:
            raise _RecordTooLong
        if self.number == 0:
            line = line.removeprefix(codecs.BOM_UTF8)
        self.number += 1
        return line.decode(self._encoding, "surrogateescape")


def _records(lines: _Lines, delimiter: str) -> Iterator[Record | Garbled]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = lines.number + 1
        lines.room_bytes = RECORD_BYTES_MAX
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _RecordTooLong:
            yield Garbled(line, _too_long(), ends=True)
            return
        except csv.Error as error:
            garbled = _garbled(line, str(error), lines.number - line + 1)
            yield garbled
            if garbled.ends:
                return
            continue
        if len(cells) > COLUMNS_MAX:
            yield Garbled(line, f"has more than {COLUMNS_MAX:,} cells", ends=False)
        elif any(cells):
            yield Record(line, cells)


def _garbled(line: int, error: str, line_count: int) -> Garbled:
    if "expected after" in error:
        return Garbled(line, "has a quote inside a quoted cell; it must be doubled", ends=False)
    if "new-line character" in error:
        return Garbled(line, "has a carriage return; lines must end in LF or CR LF", ends=False)
    if "field larger" in error and line_count == 1:
        chars_max = csv.field_size_limit()
        return Garbled(line, f"has a cell of more than {chars_max:,} characters", ends=False)
    return Garbled(
        line, "begins a quoted cell that does not end; nothing after it can be read", ends=True
    )


def _too_long() -> str:
    return f"takes more than {RECORD_BYTES_MAX:,} bytes; nothing after it can be read"


def _delimiter_of(header: str) -> str:
    # What stands between quotes is a column's name.
    outside = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=outside.count)
