"""The peer's faults, each with a code that is never renamed.

    ProtocolError      what the peer sent breaks the protocol; the session ends, nothing of the frame is recorded

A bug of ours is an assertion, never one of these; the world (hub away, disk full) is not a protocol matter.
"""

from enum import StrEnum


class Code(StrEnum):
    """Stable codes of refusals, closings and quarantine. Add to them; never rename one."""

    # frames
    BAD_FRAME = "bad_frame"
    """Bytes that are not a frame: unknown codec, broken msgpack, a float, a duplicate key, too deep."""
    TOO_LARGE = "too_large"
    BAD_VALUE = "bad_value"
    """A well-formed frame with a value of the wrong type or out of range."""
    UNEXPECTED = "unexpected"
    """A frame that is not due at this point of the session."""

    # refusals of a session
    UPGRADE_REQUIRED = "upgrade_required"
    AUTHENTICATION_FAILED = "authentication_failed"
    REVOKED = "revoked"
    RETIRED = "retired"
    WRONG_HUB = "wrong_hub"
    NEW_REPLICA_REQUIRED = "new_replica_required"
    """The log the node shows is not the one the hub knows under this replica; start a new replica."""
    BUSY = "busy"
    SUPERSEDED = "superseded"
    RESTARTING = "restarting"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    """Never sent: what a node says to itself when nobody answers or the line breaks."""

    # negative acknowledgements
    GAP = "gap"
    REWIND = "rewind"
    FORK = "fork"

    # quarantine
    UNDECODABLE = "undecodable"
    FORBIDDEN = "forbidden"
    OUT_OF_RANGE = "out_of_range"
    """The effects would leave the range of totals, or make a document larger than a page."""
    REPEAT_DIFFERS = "repeat_differs"
    """The same op_id with other effects: the first counts, both are kept."""

    # enrolment
    CODE_UNKNOWN = "code_unknown"
    CODE_USED = "code_used"
    CODE_EXPIRED = "code_expired"
    LOCATION_TAKEN = "location_taken"
    NAME_TAKEN = "name_taken"
    NOT_FOUND = "not_found"


class ProtocolError(Exception):
    """What the peer sent breaks the protocol.

    Args:
        code: the stable code, sent back in CLOSE or an answer.
        detail: one sentence for a person; never contains bytes of the offending frame.
    """

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
