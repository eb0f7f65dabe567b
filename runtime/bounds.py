"""What one client, and all of them together, may take of a daemon.

Rule: whenever it is the client's turn (to send a head, a body, to read an answer, to hang up) there is a time by which it
must have taken it, and what it makes the daemon hold meanwhile has a size. The protocol's own caps are in
`protocol.limits`; these are the connections' and have their one home here.
"""

import resource
from dataclasses import dataclass, replace

from aiohttp import web

# For the database, the uplink, the log, and newcomers about to be refused.
DESCRIPTORS_RESERVED = 200
DESCRIPTORS_FOR_HANDSHAKES = 8_192  # TLS not agreed yet: bounded in time, not in number


@dataclass(frozen=True, slots=True)
class Bounds:
    """The defaults are the product's; tests serve with shorter ones."""

    connections_max: int = 1_024  # of HTTP and WebSocket together
    idle_s: float = 25.0  # from the end of an answer to the end of the next whole head
    head_bytes_max: int = 32 * 1024  # of a head that is not whole yet; aiohttp alone takes 1 MiB
    headers_max: int = 64
    header_bytes_max: int = 4 * 1024
    body_s: float = 20.0
    # A sale that says its length fits 64 KiB, so slow large bodies never keep one out. 32 of 1 MiB are held at most of
    # callers, and as many of strangers; one that does not say its length counts as large.
    large_body_bytes: int = 64 * 1024
    large_bodies_max: int = 32
    # Of an answer, stream or frame that waits to be read, the client must take so much in every such time.
    unread_s: float = 30.0
    unread_bytes_min: int = 64 * 1024
    # Of the kernel, which would otherwise hold 4 MiB for each client that does not read; it takes twice what is said.
    send_buffer_bytes: int = 128 * 1024
    closing_s: float = 5.0  # a closed connection whose last bytes nobody reads
    lingering_s: float = 5.0  # an unread body is swallowed so long; the client then sees the answer
    tls_handshake_s: float = 10.0
    # From one answer to a stranger to the next on the same connection, so that a few cannot keep the processor busy.
    stranger_s: float = 0.05
    # A WebSocket is fed by so much a turn of the loop: 2,700 of the smallest frames, 0.2 ms.
    slice_bytes: int = 16 * 1024


BOUNDS = web.AppKey("BOUNDS", Bounds)
PROVEN = web.RequestKey("PROVEN", bool)
"""Set by whoever found out that a request is from somebody with a token; all others are strangers."""


def fit_descriptors(bounds: Bounds) -> Bounds:
    """Raise this process's limit of open files to what the connections need, or lower the connections to what it allows.

    Otherwise a crowd takes the last descriptor, and the database cannot open its own files.
    """
    wanted = bounds.connections_max + DESCRIPTORS_RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted + DESCRIPTORS_FOR_HANDSHAKES
    if soft != resource.RLIM_INFINITY and soft < most:
        soft = max(soft, most if hard == resource.RLIM_INFINITY else min(most, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return bounds
    return replace(bounds, connections_max=max(1, soft - DESCRIPTORS_RESERVED))
