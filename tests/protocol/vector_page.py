"""The examples of PROTOCOL.md, read from the page: its `vector` blocks and nothing else.

Invariant: a block that cannot be read is an error, never skipped, so no example rots unseen.
"""

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "protocol" / "PROTOCOL.md"

_BLOCK = re.compile(r"^```vector (?P<head>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_HEAD = re.compile(r"name=(?P<name>[a-z0-9-]+) kind=(?P<kind>[a-z_]+)")
_FIELD = re.compile(r"^(?P<key>[a-z_]+) = (?P<value>.*)$")
_BYTES = re.compile(r"h'(?P<digits>[0-9a-f]*)'(?:\*(?P<times>[0-9]+))?")
_HEX_KEYS = frozenset({"hex"})

Vector = dict[str, Any]


def vectors(kind: str) -> dict[str, Vector]:
    """Give the blocks of one kind by name."""
    found = {
        name: vector for name, (kind_, vector) in read(PAGE.read_text()).items() if kind_ == kind
    }
    assert found, f"PROTOCOL.md has no example of kind {kind}"
    return found


def frame_bytes() -> list[bytes]:
    """Give every example frame as it stands on the wire."""
    return [vector["hex"] for vector in vectors("frame").values()]


def read(text: str) -> dict[str, tuple[str, Vector]]:
    """Read every block of a page: name to kind and fields."""
    found: dict[str, tuple[str, Vector]] = {}
    for block in _BLOCK.finditer(text):
        head = _HEAD.fullmatch(block["head"])
        assert head, f"unreadable block: {block['head']}"
        assert head["name"] not in found, f"two blocks named {head['name']}"
        found[head["name"]] = (head["kind"], _fields(block["text"]))
    return found


def _fields(text: str) -> Vector:
    joined: list[tuple[str, str]] = []
    for line in text.splitlines():
        if match := _FIELD.match(line):
            joined.append((match["key"], match["value"]))
        else:
            assert joined, f"a block begins in the middle: {line}"
            assert line.startswith("  "), f"unreadable line: {line}"
            joined[-1] = (joined[-1][0], f"{joined[-1][1]} {line.strip()}")
    return {key: _value(key, value) for key, value in joined}


def _value(key: str, text: str) -> Any:
    if key in _HEX_KEYS:
        return bytes.fromhex(text)
    return json.loads(_BYTES.sub(_tagged, text), object_hook=_untagged)


def _tagged(match: re.Match[str]) -> str:
    return json.dumps({"h'": match["digits"] * int(match["times"] or 1)})


def _untagged(value: dict[str, Any]) -> Any:
    return bytes.fromhex(value["h'"]) if value.keys() == {"h'"} else value
