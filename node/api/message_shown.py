"""How messages look from outside.

Rule: what an answer holds is described here, field by field; nothing of a message that did not verify is shown.
"""

from typing import Literal

from node.api.shown import Id, Shown, Time


class AboutShown(Shown):
    """The document that a message points at."""

    collection: str
    id: str


class MessageSent(Shown):
    """What of a message is seen without opening it."""

    id: Id
    origin: str
    to: str
    role: str | None
    person: str | None
    """The id of the one user that it is for."""
    sent_at: Time
    by: str
    about: AboutShown | None


class ReceiptShown(Shown):
    """That somebody read it, as their node signed."""

    by: str
    location: str
    at: Time


class MessageShown(Shown):
    """A message. Of one that is not of whom it says, all but its id is null."""

    id: str
    origin: str | None
    to: str | None
    role: str | None
    person: str | None
    """The id of the one user that it is for."""
    sent_at: Time | None
    by: str | None
    about: AboutShown | None
    node: str | None
    """The name of the node that signed it."""
    key: str | None
    """Names that node's key: another one than before is another machine."""
    text: str | None
    problem: Literal["forged", "unreadable"] | None
    """Why there is no text: it is not of whom it says, or was sealed for other keys than this node's."""
    receipts: list[ReceiptShown]


class MessagePage(Shown):
    """One page of messages."""

    items: list[MessageShown]
    next: str | None
