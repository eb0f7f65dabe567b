"""Hypothesis strategies for everything that crosses the wire.

Invariant: what a strategy gives is valid, so that a property may demand a round trip of all of it;
`FRAMES` names every frame type, which test_roundtrips.py checks.
"""

from typing import Any

from hypothesis import strategies as st

from protocol import limits
from protocol.certificate import Certificate, Role
from protocol.clock import Stamp
from protocol.digest import Digest
from protocol.documents import Document, FieldState
from protocol.effects import CounterEffect, FieldEffect, Join
from protocol.errors import Code
from protocol.frames import feed, fleet, handshake, keys, log, repair, witness
from protocol.ids import CHAIN_SCOPES, LOCATION_SCOPES, Location, Scope
from protocol.operation import Operation
from protocol.rows import CounterRow, DocumentRow
from protocol.sealed_keys import RecordKey, Wrap, destroyed
from protocol.sealing import KEY_ID_BYTES, WRAPPED_BYTES
from protocol.wire import Frame

# A few sizes at the edges of msgpack's forms, beside what Hypothesis chooses itself.
_EDGES = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**31, 2**32, limits.INT_MAX]


def whole(least: int = 0, most: int = limits.INT_MAX) -> st.SearchStrategy[int]:
    """Whole numbers of the range, often where msgpack changes its form."""
    edges = [n for n in (*_EDGES, *(-n for n in _EDGES)) if least <= n <= most]
    return st.one_of(st.sampled_from([least, most, *edges]), st.integers(least, most))


def blob(length: int) -> st.SearchStrategy[bytes]:
    """Exactly `length` bytes."""
    return st.binary(min_size=length, max_size=length)


def codes(chars_max: int = limits.CODE_CHARS_MAX) -> st.SearchStrategy[str]:
    """Codes of any script."""
    alphabet = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
    short = st.text("abcS019 -/:*é漢", min_size=1, max_size=6)
    return st.one_of(short, st.text(alphabet, min_size=1, max_size=chars_max))


locations = st.one_of(st.sampled_from(["S01", "S02", "HQ"]), codes()).map(Location)
lots = st.one_of(st.just(""), codes())
scopes = st.one_of(
    st.sampled_from(CHAIN_SCOPES),
    st.builds(
        lambda family, at: Scope(f"{family}:{at}"), st.sampled_from(LOCATION_SCOPES), codes()
    ),
)
scope_sets = st.lists(scopes, min_size=1, max_size=4, unique=True).map(lambda s: tuple(sorted(s)))
instants = whole(0, limits.TIME_MS_MAX)
replicas = blob(16)
salts = blob(8)
hashes = blob(32)
seqs = whole()

_leaves = st.one_of(
    st.none(),
    st.booleans(),
    whole(-limits.INT_MAX - 1, limits.INT_MAX),
    st.text(max_size=20),
    st.binary(max_size=20),
)


def _nested(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(children, max_size=3) | st.dictionaries(
        st.text(max_size=5), children, max_size=3
    )


# Two levels under a field and its map: well within the depth that is allowed.
plain = st.one_of(_leaves, _nested(_leaves), _nested(_nested(_leaves)))
tails = st.lists(plain, max_size=3).map(tuple)

stamps = st.builds(Stamp, instants, whole(), replicas)
# Few walls, ticks and authors, so that equal stamps and near misses happen.
close_stamps = st.builds(
    Stamp, st.integers(1, 3), st.integers(0, 2), st.sampled_from([b"a" * 16, b"b" * 16])
)


def _joined(draw_stamps: st.SearchStrategy[Stamp]) -> st.SearchStrategy[tuple[Any, ...]]:
    lww = st.tuples(st.just(int(Join.LWW)), st.just(0), plain, draw_stamps)
    by_rank = st.tuples(st.just(int(Join.MAX)), whole(0, limits.RANK_MAX), plain, draw_stamps)
    return lww | by_rank


field_states = _joined(stamps).map(lambda parts: FieldState(*parts))
close_field_states = st.builds(
    FieldState,
    st.sampled_from([0, 1]),
    st.integers(0, 2),
    st.sampled_from([None, False, True, 0, 1, "", "a", b"", b"a", [], {"a": 1, "b": 2}]),
    close_stamps,
)

counter_effects = st.builds(
    CounterEffect,
    locations,
    codes(),
    lots,
    whole(0, 255),
    whole(-limits.DELTA_MAX, limits.DELTA_MAX),
)
field_effects = st.builds(
    lambda collection, id_, field, state, where: FieldEffect(collection, id_, field, *state, where),
    codes(limits.NAME_CHARS_MAX),
    codes(limits.DOCUMENT_ID_CHARS_MAX),
    codes(limits.NAME_CHARS_MAX),
    _joined(stamps),
    scope_sets,
)
effects = counter_effects | field_effects
kinds = st.from_regex(r"[a-z]{1,20}(\.[a-z_]{1,40})?", fullmatch=True)
operations = st.builds(
    Operation,
    op_id=blob(16),
    recorded_at=instants,
    occurred_at=instants,
    clock_offset_ms=st.none() | whole(-limits.TIME_MS_MAX, limits.TIME_MS_MAX),
    actor=codes(limits.NAME_CHARS_MAX),
    device=codes(limits.NAME_CHARS_MAX),
    kind=kinds,
    version=whole(0, 10_000),
    effects=st.lists(effects, max_size=5).map(tuple),
    details=st.dictionaries(st.text(max_size=10), plain, max_size=4),
    tail=tails,
)

documents = st.builds(
    Document,
    st.dictionaries(codes(limits.NAME_CHARS_MAX), field_states, max_size=4),
    scope_sets.map(frozenset),
)
counter_rows = st.builds(
    CounterRow,
    locations,
    codes(),
    lots,
    whole(0, 255),
    whole(1),
    whole(-limits.INT_MAX),
    tails,
)
document_rows = st.builds(
    DocumentRow,
    codes(limits.NAME_CHARS_MAX),
    codes(limits.DOCUMENT_ID_CHARS_MAX),
    whole(1),
    documents,
    tails,
)
rows = counter_rows | document_rows

certificates = st.builds(
    Certificate,
    chain=blob(16),
    node=blob(16),
    public_key=blob(32),
    name=codes(),
    role=st.sampled_from(Role),
    writes=st.lists(locations, max_size=3).map(tuple),
    reads=st.lists(
        st.just("*") | codes() | codes(60).map(lambda name: f"group:{name}"), max_size=3
    ).map(tuple),
    serial=whole(1),
    issued_at_ms=instants,
    once=st.lists(locations, max_size=3).map(tuple),
    recovery=st.just(b"") | blob(32),
)

_versions = st.tuples(whole(1, 10_000), whole(1, 10_000)).map(lambda v: (min(v), max(v)))
_names = st.lists(codes(limits.NAME_CHARS_MAX), max_size=3).map(tuple)
_cursors = st.tuples(seqs, salts)
_many_scopes = st.lists(scopes, max_size=4).map(tuple)
_sentences = st.text(max_size=60)
_certificate_bytes = st.binary(max_size=200)
_bodies = st.binary(max_size=80)
wraps = st.dictionaries(blob(KEY_ID_BYTES), blob(WRAPPED_BYTES), min_size=1, max_size=3).map(
    lambda held: tuple(sorted(Wrap(*each) for each in held.items()))
)
record_keys = st.one_of(
    st.builds(RecordKey, blob(16), blob(16), whole(), wraps), st.builds(destroyed, blob(16))
)
_record_keys = st.lists(record_keys, max_size=3).map(tuple)


@st.composite
def _pages(draw: st.DrawFn) -> feed.Page:
    scope = draw(scopes)
    found = draw(st.lists(rows, max_size=5, unique_by=lambda row: row.hub_seq))
    inside = draw(st.dictionaries(replicas, seqs, max_size=4))
    mine = [_moved_into(scope, row) for row in sorted(found, key=lambda row: row.hub_seq)]
    kept = tuple(row for row in mine if row is not None)
    base = kept[0].hub_seq - 1 if kept else draw(seqs)
    to = draw(whole(kept[-1].hub_seq if kept else base))
    head = draw(st.none() | st.tuples(whole(to), salts))
    return feed.Page(scope, base, to, draw(salts), draw(st.booleans()), inside, kept, head=head)


def _moved_into(scope: Scope, row: CounterRow | DocumentRow) -> CounterRow | DocumentRow | None:
    if isinstance(row, DocumentRow):
        document = row.document._replace(scopes=row.document.scopes | {scope})
        return row._replace(document=document)
    family, _, location = scope.partition(":")
    return row._replace(location=Location(location)) if family == "stock" else None


FRAMES: dict[type[Frame], st.SearchStrategy[Any]] = {
    handshake.Challenge: st.builds(handshake.Challenge, blob(16), blob(32), _versions),
    handshake.Authenticate: st.builds(
        handshake.Authenticate, _certificate_bytes, blob(32), blob(64)
    ),
    handshake.Authenticated: st.builds(
        handshake.Authenticated, blob(64), st.none() | _certificate_bytes
    ),
    handshake.Hello: st.builds(
        handshake.Hello,
        replica=replicas,
        boot=blob(16),
        versions=_versions,
        features=_names,
        software=codes(limits.NAME_CHARS_MAX),
        last_seq=seqs,
        log_base=whole(1),
        acked_seen=seqs,
        epoch=st.none() | blob(16),
        cursor=_cursors,
        exceptions=st.dictionaries(scopes, _cursors, max_size=4),
        status_seen=seqs,
        clock_ms=instants,
        departed=st.none() | blob(16),
        head=st.none() | _cursors,
    ),
    handshake.Welcome: st.builds(
        handshake.Welcome,
        blob(16),
        blob(16),
        whole(1),
        _names,
        seqs,
        hashes,
        seqs,
        _many_scopes,
        _many_scopes,
        instants,
        st.none() | blob(16),
    ),
    handshake.Close: st.builds(
        handshake.Close, st.sampled_from(Code), _sentences, whole(0, limits.RETRY_MS_MAX)
    ),
    log.Operations: st.builds(
        log.Operations,
        whole(1),
        hashes,
        st.lists(st.builds(log.Item, _bodies, st.none() | instants), min_size=1, max_size=5).map(
            tuple
        ),
    ),
    log.Acknowledge: st.builds(log.Acknowledge, seqs, hashes, instants, seqs),
    log.Negative: st.builds(
        log.Negative, st.sampled_from([Code.GAP, Code.REWIND, Code.FORK]), seqs, hashes
    ),
    log.Status: st.builds(
        log.Status,
        st.lists(st.builds(log.StatusEntry, whole(1), _sentences, _sentences), max_size=3).map(
            tuple
        ),
    ),
    log.Grant: st.builds(log.Grant, _certificate_bytes),
    log.Ping: st.builds(log.Ping, instants, seqs),
    log.Pong: st.builds(log.Pong, instants, instants, seqs),
    feed.Page: _pages(),
    feed.CaughtUp: st.builds(feed.CaughtUp, seqs, salts),
    feed.Scopes: st.builds(feed.Scopes, _many_scopes, _many_scopes),
    fleet.Departures: st.builds(fleet.Departures, st.lists(_bodies, max_size=3).map(tuple)),
    witness.Checkpoints: st.builds(
        witness.Checkpoints, st.lists(_bodies, max_size=3).map(tuple), st.none() | _bodies
    ),
    repair.Claim: st.builds(repair.Claim, st.lists(blob(16), min_size=1, max_size=5).map(tuple)),
    repair.Claimed: st.builds(repair.Claimed, seqs, st.binary(max_size=20)),
    repair.AskDigests: st.builds(
        repair.AskDigests, st.lists(scopes, min_size=1, max_size=4).map(tuple)
    ),
    repair.Digests: st.builds(
        repair.Digests,
        st.lists(
            st.builds(
                repair.DigestEntry,
                scopes,
                seqs,
                st.builds(Digest, whole(0, 1000), whole(0, 2**128 - 1)),
            ),
            max_size=4,
        ).map(tuple),
    ),
    repair.AskBuckets: st.builds(repair.AskBuckets, scopes),
    repair.Buckets: st.builds(repair.Buckets, scopes, seqs, blob(16).map(lambda part: part * 256)),
    repair.Fetch: st.builds(
        repair.Fetch,
        scopes,
        st.sets(whole(0, 255), max_size=9).map(lambda s: bytes(sorted(s))),
        seqs,
    ),
    keys.KeepKeys: st.builds(keys.KeepKeys, st.binary(max_size=142), locations, _record_keys),
    keys.KeysKept: st.builds(keys.KeysKept, locations, whole(0, limits.RECORD_KEYS_PER_FRAME_MAX)),
    keys.AskKeys: st.builds(keys.AskKeys, locations, seqs),
    keys.Keys: st.builds(
        keys.Keys,
        locations,
        seqs,
        st.booleans(),
        _record_keys,
        st.lists(st.tuples(_certificate_bytes, st.binary(max_size=142)), max_size=2).map(tuple),
    ),
    repair.AskLedger: st.builds(repair.AskLedger, locations, seqs, whole(1, limits.LIST_LIMIT_MAX)),
    repair.Ledger: st.builds(
        repair.Ledger,
        locations,
        seqs,
        st.booleans(),
        st.lists(
            st.builds(repair.LedgerItem, whole(1), replicas, whole(1), instants, _bodies),
            max_size=4,
        ).map(tuple),
    ),
}
frames = st.one_of(*FRAMES.values())
