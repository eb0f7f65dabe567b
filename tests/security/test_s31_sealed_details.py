"""S31, S57, S64: what is sealed is nowhere in clear: no file of a node or the hub, no log, metric, answer or frame."""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub import sealed_records
from node.commands.requests import Authority, Caller, Person
from protocol.access.table import PersonRole
from protocol.ids import Location
from protocol.wire import encode
from tests.node.processes import out, serving
from tests.node.reunion.here import Here, eventually
from tests.node.reunion.test_sealed import dispense, handed_in, with_recovery

PATIENT, PRESCRIBER, FIELD = "Marked-Patient-7731", "Marked-Prescriber-8842", "marked_field_9953"
SEALED = {"patient": PATIENT, "prescriber": {"name": PRESCRIBER}, FIELD: True}
OPEN = "an open detail"
BODY = {
    "kind": "dispense",
    "location": "S01",
    "reference": "an open reference",
    "lines": [{"sku": "A1", "delta": -1}],
    "details": {"sealed": SEALED, "open": OPEN},
}


def forms(mark: str) -> Iterator[bytes]:
    """How a mark may look on a disk."""
    plain = mark.encode()
    yield from (plain, plain.lower(), plain.upper(), mark.encode("utf-16-le"))
    yield plain.hex().encode()
    for cut in range(3):  # whatever stands before it in the same base 64
        whole = base64.b64encode(bytes(cut) + plain)
        yield whole[4 : -4 - cut]


FORMS = [form for mark in (PATIENT, PRESCRIBER, FIELD) for form in forms(mark)]


def found_in(content: bytes) -> list[bytes]:
    return [form for form in FORMS if form in content]


def files_with_marks(*folders: Path) -> dict[str, list[bytes]]:
    """Every file below with a mark in it: databases with their free pages and WAL, keys, logs."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 5, "there is something to look at"
    return {file.name: found for file in files if (found := found_in(file.read_bytes()))}


def text_of(url: str, token: str) -> bytes:
    """Whatever a GET answers."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.read()


def test_s31_s64_no_file_log_metric_or_answer_of_a_node_or_hub_has_it_in_clear(
    tmp_path: Path,
) -> None:
    hub, shop, key_file = tmp_path / "hub", tmp_path / "shop", tmp_path / "away" / "key.txt"
    key_file.parent.mkdir()
    out("init", "--data", str(hub), "--recovery-key-file", str(key_file), module="hub")
    with serving(hub, module="hub") as head_office:
        code = out("enrol", "--data", str(hub), "--name", "S01", "--writes", "S01", module="hub")
        url = head_office.url.replace("http", "ws")
        out("join", "--data", str(shop), "--hub", url, "--code", code)
        till = out("token", "--data", str(shop), "--name", "till-1")
        operator = (shop / "operator.token").read_text().strip()
        with serving(shop) as node:
            answers, id_ = _everything_said(node, till, operator)
            _wait_until_the_hub_keeps_it(hub)
            hub_token = (hub / "operator.token").read_text().strip()
            answers += [
                text_of(head_office.url + path, hub_token).decode()
                for path in ("/metrics", "/v1/status")
            ]
            answers.append(out("export", "movements", "--data", str(shop), "--format", "csv"))
            assert OPEN in "".join(answers), "what is open is shown"
            assert found_in("".join(answers).encode()) == []
            assert files_with_marks(hub, shop) == {}, "while both run, in the WAL too"
            written = [
                file
                for file in shop.iterdir()
                if file.is_file() and OPEN.encode() in file.read_bytes()
            ]
            assert written, "the same look finds what is open"
        sealed = out("sealed", "--data", str(hub), module="hub")
    assert found_in(sealed.encode()) == []
    assert files_with_marks(tmp_path) == {}, "with the daemons' logs"
    export = tmp_path / "away" / "sealed.jsonl"
    export.write_text(f"{sealed}\n")
    named = ("--recovery-key-file", str(key_file))
    opened = json.loads(out("open-sealed", *named, str(export), module="hub"))
    assert opened == {"movement": id_, "details": SEALED}
    assert key_file.stat().st_mode & 0o077 == 0
    secret = key_file.read_text().strip()
    assert not [
        file.name
        for folder in (hub, shop)
        for file in folder.rglob("*")
        if file.is_file() and secret.encode() in file.read_bytes()
    ], "the recovery key is in no folder of the chain"


def _everything_said(node: Any, till: str, operator: str) -> tuple[list[str], str]:
    """What a node answers about a dispense, its repeat and two that it refuses; and the movement's id."""
    wrong = {**BODY, "lines": [{"sku": "A1", "delta": 1}]}
    other = {**BODY, "details": {"sealed": {**SEALED, "more": 1}}}
    bodies = (("k1", BODY), ("k1", BODY), ("k2", wrong), ("k1", other))
    answers = [json.dumps(_dispense(node, till, key, body)) for key, body in bodies]
    id_ = str(json.loads(answers[0])["id"])
    one = f"/v1/movements/{id_}"
    for path in ("/v1/movements", one, f"{one}/sealed", "/v1/stock", "/v1/sync", "/metrics"):
        answers += [text_of(node.url + path, each).decode() for each in (till, operator)]
    return answers, id_


def _dispense(node: Any, token: str, key: str, body: object) -> object:
    _, answer, _ = node.ask("POST", "/v1/movements", token, body, Idempotency_Key=key)
    return answer


def _wait_until_the_hub_keeps_it(hub: Path) -> None:
    for _ in range(600):
        if list(sealed_records.export(hub / "hub.db")):
            return
        time.sleep(0.05)
    raise AssertionError("the hub has not got the key")


async def test_s57_no_frame_has_it_in_clear_and_an_erased_key_is_in_no_file(
    tmp_path: Path,
) -> None:
    here = Here(tmp_path)
    await here.hub.start()
    try:
        await _frames_and_files(here)
    finally:
        await here.close()


async def _frames_and_files(here: Here) -> None:
    shop = await here.node("S01")
    await with_recovery(here, shop)
    id_ = await dispense(shop, "k1", SEALED)
    await eventually(lambda: handed_in(shop), True)
    await eventually(shop.is_settled, True)
    keys = await here.hub.running.store.keys(Location("S01"), 0)
    [wraps] = [key.wraps for key in keys.keys]
    assert wraps is not None
    frames = [*shop.said, *shop.heard]
    said = b"".join(repr(frame).encode() + encode(frame) for frame in frames)
    assert any(type(frame).__name__ == "Operations" for frame in frames)
    assert found_in(said) == []

    pharmacist = Person("p1", "ada", PersonRole.PHARMACIST, frozenset({"S01"}))
    assert await shop.node.sealed.erase(Caller("till-1", Authority.TILL, pharmacist), id_)
    await eventually(lambda: handed_in(shop), True)
    await shop.stop()
    await here.hub.stop()
    files = [file for file in here.path.rglob("*") if file.is_file()]
    assert any(file.name == "hub.db" for file in files)
    left = {
        file.name
        for file in files
        for wrap in wraps
        if wrap.wrapped in file.read_bytes() or wrap.wrapped[32:80] in file.read_bytes()
    }
    assert left == set(), "the destroyed key is in no page of any database"
