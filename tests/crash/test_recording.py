"""The reading of a trace and the model of a disk: small programs and small histories whose outcome is known."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.crash import recording, tracing
from tests.crash.disk import SECTOR_BYTES, Disk
from tests.crash.recording import (
    Create,
    Event,
    Recording,
    Rename,
    Sync,
    SyncFolder,
    Told,
    Write,
)
from tests.crash.streams import Answered, Said, facts
from tests.crash.tracing import Traced, TraceError

DRAWS = 200

SAVES = """
import os, sys
os.chdir('/')
folder = sys.argv[1]
opened = os.open(f'{folder}/.new', os.O_CREAT | os.O_WRONLY)
os.write(opened, b'one')
os.write(opened, b'two')
os.fsync(opened)
os.rename(f'{folder}/.new', f'{folder}/name')
os.fsync(os.open(folder, os.O_RDONLY))
os.write(1, b'saved')
"""
MAPS = """
import mmap, os, sys
opened = os.open(f'{sys.argv[1]}/file', os.O_CREAT | os.O_RDWR)
os.ftruncate(opened, 4096)
mmap.mmap(opened, 4096)[0:3] = b'new'
"""


def test_a_trace_is_read_as_what_the_program_did_in_its_order(tmp_path: Path) -> None:
    events = _recorded(tmp_path, SAVES).events
    assert events == (
        Create(1, ".new"),
        Write(1, 0, b"one"),
        Write(1, 3, b"two"),
        Sync(1, 3),
        Rename(1, ".new", "name"),
        SyncFolder(5),
        Told(Said(1, "saved")),
    )


def test_a_file_written_through_memory_ends_the_reading(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="through memory"):
        _recorded(tmp_path, MAPS)


def test_what_was_synced_survives_every_crash_and_what_was_not_survives_some() -> None:
    events = (
        Create(1, "file"),
        SyncFolder(1),
        Write(1, 0, b"a" * SECTOR_BYTES),
        Sync(1, 3),
        Write(1, SECTOR_BYTES, b"b" * SECTOR_BYTES),
    )
    crashed = [files["file"] for files in _crashes(events)]
    assert all(content[:SECTOR_BYTES] == b"a" * SECTOR_BYTES for content in crashed)
    ends = {content[SECTOR_BYTES:] for content in crashed}
    assert {b"", b"b" * SECTOR_BYTES, bytes(SECTOR_BYTES)} <= ends
    assert any(b"b" in end and end != b"b" * SECTOR_BYTES for end in ends), "none is torn"


def test_a_write_that_began_after_a_sync_began_is_not_held_for_synced() -> None:
    events = (Create(1, "file"), SyncFolder(1), Write(1, 0, b"new"), Sync(1, 2))
    assert {files["file"] for files in _crashes(events)} >= {b"", b"new"}


def test_a_file_renamed_before_it_was_synced_may_be_empty_under_its_new_name() -> None:
    events = (Create(1, ".new"), Write(1, 0, b"text"), Rename(1, ".new", "name"), SyncFolder(3))
    outcomes = {files["name"] for files in _crashes(events)}
    assert {b"", b"text"} <= outcomes


def test_names_are_certain_once_their_folder_was_synced() -> None:
    unsynced = (Create(1, "file"), Write(1, 0, b"text"), Sync(1, 2))
    assert {"file" in files for files in _crashes(unsynced)} == {True, False}
    assert {"file" in files for files in _crashes((*unsynced, SyncFolder(3)))} == {True}


def test_an_answer_in_two_pieces_counts_from_its_first_byte() -> None:
    answer = b'HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\n"ok"'
    refusal = b"HTTP/1.1 507 X\r\nContent-Length: 0\r\n\r\n"
    sent = {"5<TCP:[a->b]>": [(9, answer[20:] + refusal), (7, answer[:20])]}
    assert list(facts(sent)) == [(7, Answered(201, b'"ok"'))]


def test_a_recording_can_be_kept(tmp_path: Path) -> None:
    kept = Recording("one", {"file": b"old"}, (Write(1, 0, b"new"),), {"batches": []})
    kept.save(tmp_path / "kept")
    assert recording.load(tmp_path / "kept") == kept


def _recorded(place: Path, code: str) -> Recording:
    if refusal := tracing.refusal():
        pytest.skip(refusal)
    folder = place / "folder"
    folder.mkdir()

    async def work() -> None:
        program = Traced(
            "node",
            (str(folder),),
            trace=place / "trace",
            log=place / "log",
            program=("-c", code),
        )
        try:
            await program.start()
            assert (await program.wait())[0] == 0, program.words()
        finally:
            await program.kill()

    asyncio.run(work())
    return recording.read(place / "trace", folder, title="program", before={})


def _crashes(events: tuple[Event, ...]) -> list[dict[str, bytes]]:
    disk = Disk({})
    for number, event in enumerate(events):
        disk.apply(number, event)
    return [disk.crash(Random(draw), "any")[0] for draw in range(DRAWS)]
