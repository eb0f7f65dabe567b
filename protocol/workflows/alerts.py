"""Alerts: which conditions hold of the stock that is shown, and when to say so.

Invariants:
- A condition is raised once when it begins and cleared once when it ends, whoever evaluates and however often: what is
  remembered of it is a number that only grows, odd while it is raised, and it joins by rank.
- Between the mark that raises and the mark that clears nothing changes, so stock that goes up and down around a
  threshold is told once.
- Evaluation is a function of what is shown. A node does it for its locations, cut off or not; the office for the chain,
  over totals.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from protocol.limits import RANK_MAX


class Condition(StrEnum):
    """What somebody is to be told."""

    THRESHOLD = "threshold"
    """Less is available than a rule of somebody's asks for."""
    LOW = "low"
    """Less is available than the location's minimum."""
    OUT = "out"
    """Nothing is available of what the location keeps."""
    NEGATIVE = "negative"
    """More left than was ever there: somebody must count."""
    EXPIRING = "expiring"
    EXPIRED = "expired"
    """Goods on the shelf that may not be sold any more."""


MARGIN_SHARE: Final = 10
"""A condition with a threshold ends a tenth of it above, and at least one unit: what was restocked to the very minimum
will be low again with the next sale."""


class Subject(NamedTuple):
    """What an alert is about; one alert for each."""

    condition: Condition
    rule: str
    """The rule's id; "" for the conditions that need none."""
    location: str
    """"" for the chain."""
    sku: str
    lot: str


class Level(NamedTuple):
    """What is shown of one SKU at one location, or in the whole chain (location "")."""

    location: str
    sku: str
    on_hand: int
    available: int
    minimum: int | None
    """None where the location keeps none of it on purpose; then it is never low or out."""


class LotLevel(NamedTuple):
    """What is shown of one lot at one location."""

    location: str
    sku: str
    lot: str
    on_hand: int
    expiry: str
    """YYYY-MM-DD, the last day of use."""


class Rule(NamedTuple):
    """What somebody asked to be told: less than `threshold` available, here or (location "") in the chain."""

    id: str
    location: str
    sku: str
    threshold: int


class Mark(NamedTuple):
    """What a condition asks for: neither, between the mark that raises it and the one that clears it."""

    begins: bool
    ends: bool


class Change(NamedTuple):
    """An alert to raise or to clear: the number to remember, which is its rank in the join."""

    subject: Subject
    number: int

    @property
    def raised(self) -> bool:
        """Whether it is raised by this; else cleared."""
        return is_raised(self.number)


def is_raised(number: int) -> bool:
    """Whether an alert stands at this number; 0 is one that never was."""
    return number % 2 == 1


def margin_of(threshold: int) -> int:
    """How far above a threshold the condition ends."""
    return max(1, threshold // MARGIN_SHARE)


def below(amount: int, threshold: int) -> Mark:
    """Less than a threshold, with the margin above it. Of a threshold of 0 there is no less than nothing to wait for."""
    if threshold <= 0:
        return Mark(begins=False, ends=True)
    return Mark(begins=amount < threshold, ends=amount >= threshold + margin_of(threshold))


def level_marks(level: Level, rules: Iterable[Rule] = ()) -> dict[Subject, Mark]:
    """What holds of a SKU at a location: its minimum, its shelf, and the rules for it."""

    def subject(condition: Condition, rule: str = "") -> Subject:
        return Subject(condition, rule, level.location, level.sku, "")

    kept = level.minimum is not None and level.minimum > 0
    empty = kept and level.available <= 0
    found = {
        subject(Condition.LOW): below(level.available, level.minimum or 0),
        subject(Condition.OUT): Mark(begins=empty, ends=not empty),
        subject(Condition.NEGATIVE): Mark(begins=level.on_hand < 0, ends=level.on_hand >= 0),
    }
    for rule in rules:
        if (rule.location, rule.sku) == (level.location, level.sku):
            found[subject(Condition.THRESHOLD, rule.id)] = below(level.available, rule.threshold)
    return found


def lot_marks(level: LotLevel, *, today: str, expiring_until: str) -> dict[Subject, Mark]:
    """What holds of a lot: an expired one is no longer expiring, and one that is gone is neither.

    Args:
        level: the lot; one without an expiry has no marks and is not asked for.
        today: YYYY-MM-DD at the location. The day of expiry itself is still good.
        expiring_until: the last day that counts as soon.
    """
    here = level.on_hand > 0
    expired = here and level.expiry < today
    expiring = here and today <= level.expiry <= expiring_until
    place = ("", level.location, level.sku, level.lot)
    return {
        Subject(Condition.EXPIRING, *place): Mark(begins=expiring, ends=not expiring),
        Subject(Condition.EXPIRED, *place): Mark(begins=expired, ends=not expired),
    }


def evaluate(marks: Mapping[Subject, Mark], known: Mapping[Subject, int]) -> list[Change]:
    """The alerts that begin or end now, in order of subject.

    Args:
        marks: what holds, of everything that was looked at. What is not among them is left as it is.
        known: the number of each alert that ever was.
    """
    changes = []
    for subject in sorted(marks):
        mark, number = marks[subject], known.get(subject, 0)
        turns = mark.ends if is_raised(number) else mark.begins
        if turns and number < RANK_MAX:
            changes.append(Change(subject, number + 1))
    return changes


def withdraw(subjects: Iterable[Subject], known: Mapping[Subject, int]) -> list[Change]:
    """Clear what nobody asks for any more: a rule that was deleted, a minimum that was taken away."""
    gone = sorted(subject for subject in subjects if is_raised(known.get(subject, 0)))
    return [Change(subject, known[subject] + 1) for subject in gone]
