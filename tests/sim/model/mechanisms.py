"""What keeps two histories of one thing apart, each as a switch.

Invariant: with all of them no history loses, doubles or diverges; without any one of them some history does. Only the
model is switched: the product has no such thing.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mechanisms:
    """Which are at work."""

    chain_check: bool = True
    """The hub takes a batch only on top of the hash it holds, and the node compares that hash when it comes back."""
    op_id_unique: bool = True
    """One operation counts once, under however many replicas it is pushed."""
    salt_check: bool = True
    """A cursor is good only while the hub has the salt it was read under."""
    salt_of_every_seq: bool = True
    """Also in the middle of a commit; else only its last hub_seq has one."""
    acked_is_kept: bool = True
    """The log is kept down to what is inside a verified backup; else only to what was acknowledged."""
    new_replica_repeats_all: bool = True
    """A log that begins anew is pushed whole; else without what the hub has at that moment."""
    cursor_per_scope: bool = True
    """A scope that came into reach is read from its beginning; else from where all others stand."""
    certificates: bool = True
    """A node that the hub does not know is let in by what the hub signed; else only if the hub remembers it."""
    access_is_a_document: bool = True
    """Who was shut out is written in an operation, which is pushed again like any other; else in the hub's own table."""


ALL = Mechanisms()
