"""The work of a shop's people as data, and what it must come to: whoever plays them, on virtual time or over HTTP, reads it here.

Invariant: nothing here knows how a node is asked or a disk is read. What people decide is drawn from a stage and a seed; what
documents owe and where they stand is worked out by rules of its own, of which the product knows nothing.
"""
