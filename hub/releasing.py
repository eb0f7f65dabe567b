"""How the office makes a quarantined operation count after all: the movements that it posts to its own node.

Invariant: the hub records nothing itself. The key follows from the operation's bytes, so whoever posts it, how often
and from whichever till of one name, it counts once; also when a restored node has brought the operation a second time.
"""

from collections.abc import Sequence
from hashlib import blake2b
from itertools import groupby
from typing import Final

from protocol.effects import Account, CounterEffect
from protocol.errors import ProtocolError
from protocol.limits import LINES_MAX
from protocol.movements import MoveKind
from protocol.operation import decode

_KEY_BYTES: Final = 16


def releases(body: bytes, why: str) -> list[dict[str, object]]:
    """Movements with the effects of an operation, one a location: each with the Idempotency-Key to post it under.

    [] when it cannot be read, or has no goods on hand in it. `why` is why it was set aside.
    """
    try:
        operation = decode(body)
    except ProtocolError:
        return []
    effects = [
        effect
        for effect in operation.effects
        if isinstance(effect, CounterEffect) and effect.account == Account.ON_HAND
    ]
    if len(effects) > LINES_MAX:
        return []
    by_location = groupby(sorted(effects, key=_location), key=_location)
    name = blake2b(body, digest_size=_KEY_BYTES).hexdigest()
    return [
        {
            "key": f"release-{name}-{number}",
            "movement": {
                "kind": MoveKind.ADJUST.value,
                "location": location,
                "reason": f"released from quarantine: {why}",
                "details": {"releases": operation.op_id.hex(), "recorded_as": operation.kind},
                "lines": _lines(list(found)),
            },
        }
        for number, (location, found) in enumerate(by_location, start=1)
    ]


def _location(effect: CounterEffect) -> str:
    return effect.location


def _lines(effects: Sequence[CounterEffect]) -> list[dict[str, object]]:
    return [
        {"sku": effect.sku, "lot": effect.lot or None, "delta": effect.delta} for effect in effects
    ]
