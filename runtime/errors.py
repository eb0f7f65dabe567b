"""What can go wrong with the store, seen by those who call it.

    StoreError
    +-- StoreFull           no room on the disk; works again when there is room    -> 507 disk_full
    +-- StoreUnavailable    the disk, the file or the queue cannot take it now      -> 503 unavailable
        +-- SchemaTooNew    a newer program wrote the database; this one must not open it

Rule: these stand for the world only. A mistake in a transaction (a constraint, a wrong table name,
any exception of its own) is a bug or the caller's business and reaches the caller as it was raised.
"""


class StoreError(Exception):
    """The store could not do it; nothing was recorded unless the message says otherwise."""


class StoreFull(StoreError):
    """There is no room on the disk."""


class StoreUnavailable(StoreError):
    """The store cannot work: I/O error, read-only or damaged file, closed, or too much queued."""


class SchemaTooNew(StoreUnavailable):
    """A newer program has written this database."""
