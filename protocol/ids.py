"""The identifiers everything else is keyed by.

Invariant: two kinds of identifier cannot be swapped (each is a NewType), and a code that passed `check_code` is
1-64 printable characters, unchanged: case, leading zeros and any script are kept.
"""

import re
from hashlib import sha1
from typing import Final, NewType

from protocol.errors import Code, ProtocolError
from protocol.limits import CODE_CHARS_MAX

NodeId = NewType("NodeId", bytes)
"""16 random bytes, drawn by the hub at enrolment; an enrolled device."""
ReplicaId = NewType("ReplicaId", bytes)
"""16 random bytes, drawn by the node; one incarnation of its log."""
OpId = NewType("OpId", bytes)
"""16 bytes, unique for ever; see `op_id`."""
ChainId = NewType("ChainId", bytes)
"""16 random bytes, drawn by the hub at `init`; the chain of shops, for ever."""
Epoch = NewType("Epoch", bytes)
"""16 random bytes; one life of the hub's history."""
Salt = NewType("Salt", bytes)
"""8 random bytes of one hub commit: a cursor with the wrong salt belongs to another history."""
ChainHash = NewType("ChainHash", bytes)
"""32 bytes; a replica's log up to and including one operation. See `protocol.chain`."""
Seq = NewType("Seq", int)
"""Position in a replica's log, from 1 without gaps; 0 is before the first."""
HubSeq = NewType("HubSeq", int)
"""The hub's sequence of row changes; 0 is before the first."""
Location = NewType("Location", str)
Sku = NewType("Sku", str)
Lot = NewType("Lot", str)
"""A lot code, or `NO_LOT`."""
Scope = NewType("Scope", str)
"""`catalogue`, `directory`, `fleet`, or `stock:`, `docs:`, `people:`, `mail:` and a location."""

NO_LOT: Final = Lot("")
NO_SALT: Final = Salt(bytes(8))
"""The salt of hub_seq 0, which no commit wrote."""

# Unicode's categories Cc, Cs, Zl and Zp, which no version adds to.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")

CHAIN_SCOPES: Final = (Scope("catalogue"), Scope("directory"), Scope("fleet"))
LOCATION_SCOPES: Final = ("stock", "docs", "people", "mail")


def op_id(chain: ChainId, location: str, client: str, route: str, key: str) -> OpId:
    """Derive the id of what a client records, so that its repeat has the same id on any machine.

    `uuid5(chain, location ‖ 0 ‖ client ‖ 0 ‖ route ‖ 0 ‖ key)` (RFC 9562 §5.5). The same request sent again after a
    restored backup, or to a second node of the location, collapses into one operation at the hub.
    """
    name = "\0".join((location, client, route, key))
    digest = bytearray(sha1(chain + name.encode(), usedforsecurity=False).digest()[:16])
    # The version and the variant of RFC 9562 §4. `uuid.uuid5` makes two objects on the way, for every sale.
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return OpId(bytes(digest))


def stock_scope(location: str) -> Scope:
    """The scope that a location's counters live in."""
    return Scope(f"stock:{location}")


def scope_is_valid(scope: str) -> bool:
    """Whether `scope` names a scope this protocol knows."""
    if scope in CHAIN_SCOPES:
        return True
    family, colon, location = scope.partition(":")
    return bool(colon) and family in LOCATION_SCOPES and code_fault(location) is None


def code_fault(code: str, *, chars_max: int = CODE_CHARS_MAX) -> str | None:
    """Why `code` cannot name a SKU, location or lot; None when it can.

    Control characters, unpaired surrogates and the two Unicode line separators are refused: they cannot be
    printed, logged or sent to every peer. Everything else is kept as it is, unnormalised.
    """
    if not code:
        return "must not be empty"
    if len(code) > chars_max:
        return f"must have at most {chars_max} characters"
    if code.isascii() and code.isprintable():
        return None
    if _UNPRINTABLE.search(code) is not None:
        return "must not contain control characters"
    return None


def check_code(code: object, what: str, *, chars_max: int = CODE_CHARS_MAX) -> str:
    """Return `code` when it is valid text of at most `chars_max` characters.

    Raises:
        ProtocolError: `bad_value`, naming `what`.
    """
    if type(code) is not str:
        raise ProtocolError(Code.BAD_VALUE, f"{what} must be text")
    if 0 < len(code) <= chars_max and code.isascii() and code.isprintable():
        return code
    fault = code_fault(code, chars_max=chars_max)
    if fault is not None:
        raise ProtocolError(Code.BAD_VALUE, f"{what} {fault}")
    return code
