"""Hostile HTTP against a real node or hub: good requests with something done to their bytes, from a seed.

    python -m tests.security.hostile --daemon hub --requests 1000000 --seed 7

Invariant: whatever was sent, the daemon answers with no fault of its own (no 5xx but a crowded 503), in its own shape and with
its headers, or ends the connection; it logs no traceback, its books add up, and the next good request is answered.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgpack

from hub.verify import verify
from node import upkeep
from protocol.enrolment import CODE_ID_BYTES
from protocol.wire import SUBPROTOCOL
from tests.hardening.attacks import SALE, sale
from tests.hardening.line import Line, Target
from tests.hardening.victim import Kind, Victim, victim

AT_ONCE: Final = 16
PATIENCE_S: Final = 20.0
BOUNDS: Final = {"idle_s": 0.3, "body_s": 0.3, "unread_s": 0.5, "closing_s": 0.2}
WORDS: Final = (
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b"%00", b"%", b"%ff", b"%2e%2e%2f"),
    *(b"\r\n\r\n", b"\r\n ", b"/../", b"//", b"?", b"#", b"\xff\xfe", b"\xe2\x80\xae", b"'", b'"'),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: evil.example\r\n"),
    *(b"Transfer-Encoding: identity, chunked\r\n", b"Expect: 100-continue\r\n", b"-1", b"0x10"),
    *(b"99999999999999999999", b"Connection: upgrade\r\n", b"Authorization: Bearer x\r\n", b"NaN"),
    *(b"Content-Encoding: gzip\r\n", b"Origin: null\r\n", b"[[[[", b"{}", b"1e999", b"\\ud800"),
)
METHODS: Final = (
    b"GET",
    b"POST",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"TRACE",
    b"get",
    b"PRI",
    b"\x16\x03",
)
# In the version that was asked for; what is none is answered as 1.0.
_STATUS: Final = re.compile(rb"HTTP/[0-9]\.[0-9] (?P<status>[1-5][0-9]{2}) ")
_OURS: Final = (
    b"x-content-type-options: nosniff",
    b"content-security-policy:",
    b"server: everstock",
)


def corpus(kind: Kind, target: Target) -> list[bytes]:
    """Good requests of every kind."""
    host = f"Host: 127.0.0.1:{target.port}\r\nConnection: close\r\n".encode()
    token = f"Authorization: Bearer {target.token}\r\n".encode()
    plain, bodies = _OF_NODE if kind == "node" else _OF_HUB
    found = [line + b" HTTP/1.1\r\n" + host + token + b"\r\n" for line in plain]
    upgraded = b"GET /v1/live" if kind == "node" else b"GET /v1/session"
    found.append(upgraded + b" HTTP/1.1\r\n" + host + token + _UPGRADE + b"\r\n")
    for line, media_type, body in bodies:
        head = line + b" HTTP/1.1\r\n" + host + token + b"Idempotency-Key: k\r\n"
        head += b"Content-Type: %b\r\n" % media_type
        found.append(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        found.append(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
    return found


_UPGRADE: Final = (
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: " + SUBPROTOCOL.encode() + b"\r\n"
)
_JSON: Final = b"application/json"
_OF_NODE: Final = (
    (
        b"GET /v1/stock?location=S01&limit=5",
        b"GET /v1/movements?since=2026-01-01T00:00:00Z",
        b"GET /v1/stock/S01/A1",
        b"GET /openapi.json",
        b"HEAD /healthz",
    ),
    (
        (b"POST /v1/movements", _JSON, sale(1)),
        (b"POST /v1/movements", b"application/msgpack", msgpack.packb(SALE)),
        (b"POST /v1/movements/batch", _JSON, b'{"movements": [' + sale(1) + b"]}"),
        (b"PATCH /v1/skus/A1", b"application/merge-patch+json", b'{"name": "apple"}'),
    ),
)
_DEVICE: Final = {"code_id": "00" * CODE_ID_BYTES, "public_key": "11" * 32, "nonce": "22" * 32}
_OF_HUB: Final = (
    (
        b"GET /v1/enrol?nonce=" + b"00" * 32,
        b"GET /v1/status",
        b"GET /v1/digest?scope=stock:S01",
        b"GET /v1/quarantine?limit=5",
        b"HEAD /healthz",
    ),
    (
        (
            b"POST /v1/enrol",
            _JSON,
            json.dumps({**_DEVICE, "proof": "33" * 32, "software": "x"}).encode(),
        ),
        (
            b"POST /v1/operator/enrol",
            _JSON,
            b'{"name": "S09", "role": "store", "writes": ["S09"], "reads": ["*"], "expires_s": 60}',
        ),
        (b"POST /v1/operator/access", _JSON, b'{"name": "S01", "reads": ["*"]}'),
        (b"POST /v1/operator/status", _JSON, b"{}"),
    ),
)


def mutated(good: Sequence[bytes], chance: random.Random) -> bytes:
    """One of them with one to four things done to it."""
    data = bytearray(chance.choice(good))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 2, 8, 40, 400)))
        match chance.randrange(8):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1:
                data[at:at] = chance.choice(WORDS)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * chance.choice((1, 2, 50))
            case 4:
                other = chance.choice(good)
                data[at:] = other[chance.randrange(len(other)) :]
            case 5:
                data[: data.find(b" ")] = chance.choice(METHODS)
            case 6:
                data[at:at] = chance.randbytes(chance.choice((1, 8, 100)))
            case _:
                data[at:end] = chance.choice(WORDS) * chance.choice((1, 3, 200))
    return bytes(data)


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    """0: the connection ended without an answer."""
    faults: list[str] = field(default_factory=list)


async def send_all(
    kind: Kind, target: Target, requests: int, seed: int, progress: Callable[[int], None]
) -> Outcome:
    """Send so many; what is found wrong is in `faults` with the bytes that did it."""
    outcome, good, chance = Outcome(), corpus(kind, target), random.Random(seed)

    async def sends() -> None:
        while outcome.sent < requests:
            outcome.sent += 1
            data = mutated(good, chance)
            try:
                answer = await _answer(target, data)
            except TimeoutError:
                outcome.faults.append(f"neither answered nor ended: {data!r}")
                continue
            _judge(answer, data, outcome)
            progress(outcome.sent)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(sends())
    return outcome


async def _answer(target: Target, data: bytes) -> bytes:
    found = b""
    async with asyncio.timeout(PATIENCE_S), Line(target) as line:
        with contextlib.suppress(ConnectionError):
            await line.sends(data)
        with contextlib.suppress(ConnectionError):
            while piece := await line.reader.read(2**16):
                found += piece
                if b"\r\n\r\n" in found and b"HTTP/1.1 101 " in found:
                    return found  # a stream, which does not end
    return found


def _judge(answer: bytes, data: bytes, outcome: Outcome) -> None:
    if not answer:
        outcome.statuses[0] += 1
        return
    head = answer.partition(b"\r\n\r\n")[0].lower()
    found = _STATUS.match(answer)
    if found is None:
        outcome.faults.append(f"no HTTP was answered: {answer[:200]!r} to {data!r}")
        return
    status = int(found["status"])
    outcome.statuses[status] += 1
    if status >= 500 and status != 503:
        outcome.faults.append(f"{status} to {data!r}")
    if status >= 200 and not all(name in head for name in _OURS):
        outcome.faults.append(f"an answer without our headers: {head!r} to {data!r}")


async def still_works(kind: Kind, running: Victim) -> bool:
    """Whether a good sale is recorded, or the hub tells its operator how it stands."""
    async with asyncio.timeout(PATIENCE_S), Line(running.target) as line:
        if kind == "hub":
            return await line.asks("GET", "/v1/status", token=True) == 200
        kinds = {"Content_Type": "application/json", "Idempotency_Key": "afterwards"}
        return await line.asks("POST", "/v1/movements", sale(2), token=True, **kinds) == 201


def run(
    kind: Kind, folder: Path, requests: int, seed: int, progress: Callable[[int], None]
) -> Outcome:
    """Do all of it to a daemon in `folder`."""
    with victim(kind, folder, **BOUNDS) as running:

        async def main() -> Outcome:
            outcome = await send_all(kind, running.target, requests, seed, progress)
            if not await still_works(kind, running):
                outcome.faults.append("it does not work any more")
            return outcome

        outcome = asyncio.run(main())
        log = running.log.read_text()
    if "Traceback" in log or "unforeseen" in log:
        outcome.faults.append(f"a traceback was logged: {log[-3_000:]}")
    found = (
        upkeep.problems(folder)
        if kind == "node"
        else verify(folder / "hub.db", show_progress=False).problems
    )
    outcome.faults += [f"verify: {problem}" for problem in found]
    return outcome


def main() -> int:
    """Run from the command line."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--daemon", choices=("node", "hub"), default="node")
    options.add_argument("--requests", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()

    def progress(sent: int) -> None:
        if sent % 10_000 == 0:
            print(sent, "sent", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / given.daemon
        outcome = run(given.daemon, path, given.requests, given.seed, progress)
    print(f"seed {given.seed}: {outcome.sent} sent, {dict(sorted(outcome.statuses.items()))}")
    for fault in outcome.faults[:20]:
        print(fault)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
