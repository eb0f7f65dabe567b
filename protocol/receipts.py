"""Receipt numbers: which references have one, and which numbers are missing between those that a till used.

Rules:
- A reference has a number when it ends in 1 to `RECEIPT_DIGITS_MAX` digits; what stands before them names its series. A
  longer run of digits is a barcode or an id and counts nothing.
- The numbers of one till in one series follow one another. A step of more than one is a gap, up to
  `RECEIPT_STEP_MAX`; a larger one begins another roll, since nobody prints so much unseen.
- How a missing reference was printed is known from the one before it: as many digits as that has.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from protocol.limits import RECEIPT_DIGITS_MAX, RECEIPT_LOOK_BACK, RECEIPT_STEP_MAX

_NUMBERED: Final = re.compile(r"(?P<series>.*?)(?P<digits>[0-9]+)", re.DOTALL)


class Numbered(NamedTuple):
    """A reference that has a number."""

    series: str
    number: int
    digits: int
    """How many it was printed with."""

    @property
    def text(self) -> str:
        """The reference."""
        return f"{self.series}{self.number:0{self.digits}d}"


class Gap(NamedTuple):
    """Numbers in a row that are missing, from `first` to `last`, both included."""

    first: Numbered
    last: Numbered
    after: Numbered
    """The one before the gap."""
    before: Numbered
    """The one after the gap."""

    @property
    def missing(self) -> int:
        """How many are missing."""
        return self.last.number - self.first.number + 1


def read_reference(reference: str) -> Numbered | None:
    """A reference's number; None of one that has none."""
    match = _NUMBERED.fullmatch(reference)
    if match is None or len(match["digits"]) > RECEIPT_DIGITS_MAX:
        return None
    return Numbered(match["series"], int(match["digits"]), len(match["digits"]))


def rolls(references: Iterable[str]) -> list[list[Numbered]]:
    """One till's references with a number, each number once, in rolls: by series, and rising within each."""
    found: dict[tuple[str, int], Numbered] = {}
    for numbered in filter(None, map(read_reference, sorted(references))):
        found.setdefault((numbered.series, numbered.number), numbered)
    made: list[list[Numbered]] = []
    for (series, number), numbered in sorted(found.items()):
        last = made[-1][-1] if made else None
        if last and last.series == series and number - last.number <= RECEIPT_STEP_MAX:
            made[-1].append(numbered)
        else:
            made.append([numbered])
    return made


def looked_back(first: Numbered) -> list[Numbered]:
    """Which earlier numbers tell whether some are missing before the first of a roll, the nearest first.

    Where it cannot be seen whether a till prints zeros in front, each is there in both ways.
    """
    least = max(0, first.number - RECEIPT_LOOK_BACK)
    found: list[Numbered] = []
    for number in range(first.number - 1, least - 1, -1):
        found.append(Numbered(first.series, number, first.digits))
        if len(str(number)) < first.digits == len(str(first.number)):
            found.append(Numbered(first.series, number, len(str(number))))
    return found


def gaps(roll: Iterable[Numbered], present: Collection[str]) -> list[Gap]:
    """What is missing of a roll, in order.

    Args:
        roll: numbers of one series, rising; the one that came before the first belongs in front, where it is known.
        present: references that are no gap, whoever recorded them.
    """
    found: list[Gap] = []
    last: Numbered | None = None
    for numbered in roll:
        if last is not None:
            found += _between(last, numbered, present)
        last = numbered
    return found


def unused(roll: Sequence[Numbered]) -> int:
    """How many numbers of a roll none of its references has: what `gaps` looks at."""
    return roll[-1].number - roll[0].number + 1 - len(roll)


def _between(after: Numbered, before: Numbered, present: Collection[str]) -> Iterator[Gap]:
    first: Numbered | None = None
    for number in range(after.number + 1, before.number + 1):
        numbered = before if number == before.number else after._replace(number=number)
        is_missing = number < before.number and numbered.text not in present
        if is_missing and first is None:
            first = numbered
        if not is_missing:
            if first is not None:
                last = after._replace(number=number - 1)
                yield Gap(first, last, first._replace(number=first.number - 1), numbered)
            first = None
