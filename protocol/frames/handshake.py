"""Frames that open and close a session.

Invariant: the hub proves its key and the node its certificate over both nonces before either says anything about
its data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from protocol.certificate import check_signature
from protocol.codec import read_blob, read_bytes, read_int, read_list, read_map, refuse
from protocol.errors import Code
from protocol.ids import (
    ChainHash,
    ChainId,
    Epoch,
    HubSeq,
    ReplicaId,
    Salt,
    Scope,
    Seq,
    check_code,
    scope_is_valid,
)
from protocol.limits import (
    CERTIFICATE_BYTES_MAX,
    DETAIL_CHARS_MAX,
    FEATURES_MAX,
    NAME_CHARS_MAX,
    RETRY_MS_MAX,
    SCOPES_MAX,
    TIME_MS_MAX,
)

_NODE_PURPOSE = b"everstock session node 1\0"
_HUB_PURPOSE = b"everstock session hub 1\0"

Body = Mapping[str, object]
Cursor = tuple[HubSeq, Salt]


@dataclass(frozen=True, slots=True)
class Challenge:
    """Hub → node, first: which chain this is, and what to sign."""

    TYPE: ClassVar = 1
    chain: ChainId
    nonce: bytes
    versions: tuple[int, int]
    """Least and most version of the protocol spoken."""

    def to_body(self) -> Body:
        """The map form."""
        return {"chain": self.chain, "nonce": self.nonce, "versions": list(self.versions)}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            ChainId(read_bytes(body.get("chain"), "chain", length=16)),
            read_bytes(body.get("nonce"), "nonce", length=32),
            read_versions(body.get("versions")),
        )


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Node → hub: its certificate, and a signature over the hub's nonce by the key in it."""

    TYPE: ClassVar = 2
    certificate: bytes
    nonce: bytes
    signature: bytes

    def to_body(self) -> Body:
        """The map form."""
        return {"certificate": self.certificate, "nonce": self.nonce, "signature": self.signature}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            read_blob(body.get("certificate"), "certificate", bytes_max=CERTIFICATE_BYTES_MAX),
            read_bytes(body.get("nonce"), "nonce", length=32),
            read_bytes(body.get("signature"), "signature", length=64),
        )


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Hub → node: the hub's signature over both nonces, and the node's certificate if a newer one was issued."""

    TYPE: ClassVar = 3
    signature: bytes
    certificate: bytes | None

    def to_body(self) -> Body:
        """The map form."""
        return {"signature": self.signature, "certificate": self.certificate}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        certificate = body.get("certificate")
        if certificate is not None:
            certificate = read_blob(certificate, "certificate", bytes_max=CERTIFICATE_BYTES_MAX)
        return cls(read_bytes(body.get("signature"), "signature", length=64), certificate)


@dataclass(frozen=True, slots=True)
class Hello:
    """Node → hub: where this replica stands."""

    TYPE: ClassVar = 4
    replica: ReplicaId
    boot: bytes
    """16 random bytes of this process start."""
    versions: tuple[int, int]
    features: tuple[str, ...]
    software: str
    last_seq: Seq
    log_base: Seq
    """Position of the oldest operation still held; 1 when nothing was pruned, also for an empty log."""
    acked_seen: Seq
    """How far the hub had acknowledged this replica, as the node remembers."""
    epoch: Epoch | None
    """None before the first session."""
    cursor: Cursor
    """How far the feed was read, for every scope that is not in `exceptions`."""
    exceptions: Mapping[Scope, Cursor]
    status_seen: Seq
    """Quarantined operations up to here are known."""
    clock_ms: int
    departed: bytes | None = None
    """Digest of the departures that are kept here; None from a node that keeps none."""
    head: Cursor | None = None
    """The newest state of the hub in which anything held here was read, also behind no cursor yet; None when not told."""

    def to_body(self) -> Body:
        """The map form."""
        head = {} if self.head is None else {"head": list(self.head)}
        body = {
            "replica": self.replica,
            "boot": self.boot,
            "versions": list(self.versions),
            "features": list(self.features),
            "software": self.software,
            "last_seq": self.last_seq,
            "log_base": self.log_base,
            "acked_seen": self.acked_seen,
            "epoch": self.epoch,
            "cursor": list(self.cursor),
            "exceptions": {
                scope: list(cursor) for scope, cursor in sorted(self.exceptions.items())
            },
            "status_seen": self.status_seen,
            "clock": self.clock_ms,
        }
        return body | _departed_to_body(self.departed) | head

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        epoch, head = body.get("epoch"), body.get("head")
        exceptions = read_map(body.get("exceptions"), "exceptions", most=SCOPES_MAX)
        return cls(
            ReplicaId(read_bytes(body.get("replica"), "replica", length=16)),
            read_bytes(body.get("boot"), "boot", length=16),
            read_versions(body.get("versions")),
            read_names(body.get("features"), "features"),
            check_code(body.get("software"), "software", chars_max=NAME_CHARS_MAX),
            Seq(read_int(body.get("last_seq"), "last_seq")),
            Seq(read_int(body.get("log_base"), "log_base", least=1)),
            Seq(read_int(body.get("acked_seen"), "acked_seen")),
            None if epoch is None else Epoch(read_bytes(epoch, "epoch", length=16)),
            read_cursor(body.get("cursor")),
            {read_scope(scope): read_cursor(cursor) for scope, cursor in exceptions.items()},
            Seq(read_int(body.get("status_seen"), "status_seen")),
            read_int(body.get("clock"), "clock", most=TIME_MS_MAX),
            _read_departed(body),
            None if head is None else read_cursor(head),
        )

    @property
    def positions(self) -> tuple[Cursor, ...]:
        """Everything it says of the hub's history."""
        told = (self.cursor, *self.exceptions.values())
        return told if self.head is None else (*told, self.head)

    def cursor_of(self, scope: Scope) -> Cursor:
        """How far this scope was read."""
        return self.exceptions.get(scope, self.cursor)


@dataclass(frozen=True, slots=True)
class Welcome:
    """Hub → node: where the hub stands with this replica, and what it will feed."""

    TYPE: ClassVar = 5
    session: bytes
    """16 random bytes; an older session of the replica is fenced from now on."""
    epoch: Epoch
    version: int
    features: tuple[str, ...]
    acked: Seq
    chain: ChainHash
    """The hash of the replica's log at `acked`, as the hub knows it."""
    stable: Seq
    scopes: tuple[Scope, ...]
    reset: tuple[Scope, ...]
    """Scopes whose rows and marks are of another history or too old: read them from 0 again."""
    now_ms: int
    departed: bytes | None = None
    """Digest of the departures that the hub keeps; None from a hub that keeps none."""

    def to_body(self) -> Body:
        """The map form."""
        return {
            "session": self.session,
            "epoch": self.epoch,
            "version": self.version,
            "features": list(self.features),
            "acked": self.acked,
            "chain": self.chain,
            "stable": self.stable,
            "scopes": list(self.scopes),
            "reset": list(self.reset),
            "now": self.now_ms,
        } | _departed_to_body(self.departed)

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            read_bytes(body.get("session"), "session", length=16),
            Epoch(read_bytes(body.get("epoch"), "epoch", length=16)),
            read_int(body.get("version"), "version", least=1),
            read_names(body.get("features"), "features"),
            Seq(read_int(body.get("acked"), "acked")),
            ChainHash(read_bytes(body.get("chain"), "chain", length=32)),
            Seq(read_int(body.get("stable"), "stable")),
            read_scopes(body.get("scopes")),
            read_scopes(body.get("reset")),
            read_int(body.get("now"), "now", most=TIME_MS_MAX),
            _read_departed(body),
        )


@dataclass(frozen=True, slots=True)
class Close:
    """Either way, last: why the session ends, and when to come back. Never a bare close."""

    TYPE: ClassVar = 6
    code: Code
    detail: str
    retry_ms: int

    def to_body(self) -> Body:
        """The map form."""
        return {"code": self.code.value, "detail": self.detail, "retry": self.retry_ms}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form; a code of a newer peer reads as `unexpected`, its words are kept."""
        code = body.get("code")
        detail = body.get("detail")
        if type(detail) is not str or len(detail) > DETAIL_CHARS_MAX:
            refuse("detail", f"must be text of at most {DETAIL_CHARS_MAX} characters")
        known = Code(code) if type(code) is str and code in set(Code) else Code.UNEXPECTED
        return cls(known, detail, read_int(body.get("retry"), "retry", most=RETRY_MS_MAX))


def node_signature_input(hub_nonce: bytes, node_nonce: bytes, chain: ChainId) -> bytes:
    """What the node signs to open a session."""
    return _NODE_PURPOSE + chain + hub_nonce + node_nonce


def hub_signature_input(hub_nonce: bytes, node_nonce: bytes, chain: ChainId) -> bytes:
    """What the hub signs in return."""
    return _HUB_PURPOSE + chain + hub_nonce + node_nonce


def check_hub(
    public_key: bytes, hub_nonce: bytes, node_nonce: bytes, chain: ChainId, signature: bytes
) -> None:
    """Check the hub's signature.

    Raises:
        ProtocolError: `authentication_failed`.
    """
    check_signature(public_key, hub_signature_input(hub_nonce, node_nonce, chain), signature)


def _departed_to_body(departed: bytes | None) -> dict[str, object]:
    return {} if departed is None else {"departed": departed}


def _read_departed(body: Body) -> bytes | None:
    departed = body.get("departed")
    return None if departed is None else read_bytes(departed, "departed", length=16)


def read_versions(value: object) -> tuple[int, int]:
    """Read `[least, most]`."""
    parts = read_list(value, "versions", least=2, most=2)
    least = read_int(parts[0], "versions", least=1, most=10_000)
    return least, read_int(parts[1], "versions", least=least, most=10_000)


def read_cursor(value: object) -> Cursor:
    """Read `[hub_seq, salt]`."""
    parts = read_list(value, "a cursor", least=2, most=2)
    return HubSeq(read_int(parts[0], "a cursor")), Salt(
        read_bytes(parts[1], "a cursor's salt", length=8)
    )


def read_scope(value: object) -> Scope:
    """Read one scope."""
    if type(value) is not str or not scope_is_valid(value):
        refuse("a scope", "is unknown")
    return Scope(value)


def read_scopes(value: object) -> tuple[Scope, ...]:
    """Read an array of scopes, in the order given."""
    return tuple(read_scope(item) for item in read_list(value, "scopes", most=SCOPES_MAX))


def read_names(value: object, what: str) -> tuple[str, ...]:
    """Read an array of names."""
    return tuple(
        check_code(item, what, chars_max=NAME_CHARS_MAX)
        for item in read_list(value, what, most=FEATURES_MAX)
    )
