"""Barcodes: what a scan or a typed number says, as far as it says it.

Invariants:
- Nothing is guessed. What the code does not hold is None, and whoever applies a scan changes nothing for it; a part that
  cannot be (the 45th of a month) is None too, with a fault. A code that is not whole says nothing but itself.
- Every scan has a `text` that can be stored and that is found again by the same scan, however malformed it is.
- Reading depends on the scan and the year alone: two digits of a year need to know which century it is near.

Sources: GS1 General Specifications, 3.2 (application identifiers), 5.1 (symbology identifiers), 7.8.5 (predefined
lengths), 7.9 (check digits), 7.11 (character set 82), 7.12 (centuries). Written here because the library for it (`biip`)
reads the clock and files, takes 17 MB of prefix tables, and lets an over-long lot run on into the next part.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from protocol.ids import code_fault
from protocol.limits import BARCODE_CHARS_MAX, SCAN_CHARS_MAX


class Form(StrEnum):
    """What kind of code it is."""

    GTIN = "gtin"
    """EAN-8, EAN-13, UPC-A, ITF-14: a number with a right check digit and nothing else."""
    GS1 = "gs1"
    """Element strings: several parts, each behind its application identifier."""
    TEXT = "text"
    """Anything else: a code of the shop's own, or a malformed one."""


class Fault(StrEnum):
    """What is wrong with it. Stable codes; add to them, never rename one."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    CHECK_DIGIT = "check_digit"
    UNKNOWN_PART = "unknown_part"
    """An application identifier that GS1 has not given out."""
    BAD_LENGTH = "bad_length"
    BAD_CHARACTER = "bad_character"
    TWICE = "twice"
    """One part with two values."""
    BAD_DATE = "bad_date"
    BAD_QUANTITY = "bad_quantity"


@dataclass(frozen=True, slots=True)
class Barcode:
    """A code, read. Everything but `form` and `text` is None where the code does not say it."""

    form: Form
    text: str
    """What to store and to find it by: without a scanner's prefix, with signs in place of control characters."""
    gtin: str | None = None
    """14 digits."""
    lot: str | None = None
    serial: str | None = None
    expiry: str | None = None
    """YYYY-MM-DD, the last day of use."""
    best_before: str | None = None
    quantity: int | None = None
    """How many of the item are in what was scanned."""
    weight_g: int | None = None
    sscc: str | None = None
    """The 18 digits of a pallet or parcel."""
    fault: Fault | None = None

    def lookup_keys(self) -> tuple[str, ...]:
        """The stored texts that mean this code, nearest first: one GTIN is written with 8, 12, 13 or 14 digits."""
        if self.gtin is None:
            return (self.text,) if self.text else ()
        shorter = (self.gtin[-n:] for n in (13, 14, 12, 8) if not self.gtin[:-n].strip("0"))
        return tuple(dict.fromkeys((*((self.text,) if self.form is Form.GTIN else ()), *shorter)))


_WITH_PARTS: Final = frozenset({"]C1", "]d2", "]Q3", "]e0", "]J1"})
"""GS1-128, DataMatrix, QR, DataBar, DotCode."""
_PREFIX: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_SEPARATOR: Final = "\x1d"
_SIGN_OF_SEPARATOR: Final = (
    "\u241d"  # what `text` has in its place; a text that is scanned again reads the same
)
_TYPED_PART: Final = re.compile(r"\(([0-9]{2,4})\)([^()]*)")
_PART_CHARACTERS: Final = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+")
_PART_CHARS_MAX: Final = 90

_PREDEFINED: Final[Mapping[str, int]] = {
    "00": 18,
    "01": 14,
    "02": 14,
    "03": 14,
    "04": 16,
    "20": 2,
    "41": 13,
    **{str(ai): 6 for ai in (*range(11, 20), *range(31, 37))},
}
"""By the first two digits of an identifier: how long its value always is, without a separator behind it."""
_DIGITS: Final[Mapping[str, int]] = {
    **{f"{ai:02}": 2 for ai in (*range(5), *range(10, 23), 30, 37, *range(90, 100))},
    **{str(ai): 3 for ai in (23, 24, 25, 40, 41, 42, 71)},
    **{str(ai): 4 for ai in (31, 32, 33, 34, 35, 36, 39, 43, 70, 72, 80, 81, 82)},
}
"""By the first two digits of an identifier: how many it has."""
_CHARS: Final = {"10": (1, 20), "21": (1, 20), "30": (1, 8), "37": (1, 8), "7003": (10, 10)}
"""Of the identifiers that are read here and have a separator behind them: the least and the most."""
_NUMBERS: Final = frozenset({"30", "37", "7003"})


class _Malformed(Exception):
    """The code is not whole; it never leaves this module."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def read_barcode(scanned: str, *, year: int) -> Barcode:
    """Read a scan, or what somebody typed; never fails.

    Args:
        scanned: as the scanner sends it: with a symbology identifier (`]C1`) or without, separators as GS; or typed with
            parentheses, as it is printed below the bars.
        year: the present one.
    """
    scanned = scanned[: SCAN_CHARS_MAX + 1].strip(" \t\r\n").replace(_SIGN_OF_SEPARATOR, _SEPARATOR)
    prefix = scanned[:3] if _PREFIX.match(scanned) else ""
    body = scanned.removeprefix(prefix)
    if len(scanned) > SCAN_CHARS_MAX:
        return _text(body, Fault.TOO_LONG)
    try:
        if prefix in _WITH_PARTS or _SEPARATOR in body:
            return _with_parts(body, _split(body), year)
        if _TYPED_PART.match(body):
            return _with_parts(body, _split_typed(body), year)
    except _Malformed as malformed:
        return _text(body, malformed.fault)
    if _is_digits(body) and len(body) in (8, 12, 13, 14) and has_check_digit(body):
        return Barcode(Form.GTIN, body, gtin=body.zfill(14))
    return _without_prefix(body, year)


def _without_prefix(body: str, year: int) -> Barcode:
    """A number is only taken for parts when a check digit among them says so; else it is a code of the shop's own."""
    fault = None
    try:
        found = _with_parts(body, _split(body), year)
        if found.gtin or found.sscc:
            return found
    except _Malformed as malformed:
        begins_so = body[:2] in ("01", "02") and len(body) > 16 and _is_digits(body[:16])
        if begins_so and has_check_digit(body[2:16]):
            fault = malformed.fault
    if _is_digits(body) and len(body) in (8, 12, 13, 14):
        fault = Fault.CHECK_DIGIT
    return _text(body, fault)


def has_check_digit(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it (GS1 7.9: weights 3 and 1 from the right)."""
    weighed = sum(int(d) * (3, 1)[n % 2] for n, d in enumerate(reversed(digits[:-1])))
    return (weighed + int(digits[-1])) % 10 == 0


def full_date(yymmdd: str, *, year: int) -> str | None:
    """The day as YYYY-MM-DD; day 00 is the last of its month. None when there is no such day.

    A year of two digits is the one between 49 before and 50 after the present.
    """
    month, day = int(yymmdd[2:4]), int(yymmdd[4:6])
    ahead = int(yymmdd[:2]) - year % 100
    century = year - year % 100 + (-100 if ahead > 50 else 100 if ahead < -49 else 0)
    full = century + int(yymmdd[:2])
    if not (1 <= month <= 12 and 1 <= full <= 9999):
        return None
    last = monthrange(full, month)[1]
    return f"{full:04}-{month:02}-{day or last:02}" if day <= last else None


def _split(body: str) -> Iterator[tuple[str, str]]:
    rest = body.strip(_SEPARATOR)
    while rest:
        ai = rest[: _identifier_length(rest)]
        rest = rest[len(ai) :]
        fixed = _PREDEFINED.get(ai[:2])
        end = rest.find(_SEPARATOR) if fixed is None else fixed
        value = rest if end < 0 else rest[:end]
        rest = rest[len(value) :].lstrip(_SEPARATOR)  # allowed behind every part (7.8.6)
        yield ai, value


def _split_typed(body: str) -> Iterator[tuple[str, str]]:
    at = 0
    for match in _TYPED_PART.finditer(body):
        ai = match[1]
        if match.start() != at or len(ai) != _identifier_length(ai):
            raise _Malformed(Fault.UNKNOWN_PART)
        yield ai, match[2].strip(" ")
        at = match.end()
    if at != len(body):
        raise _Malformed(Fault.BAD_CHARACTER)


def _identifier_length(rest: str) -> int:
    length = _DIGITS.get(rest[:2])
    if length is None or not _is_digits(rest[:length]) or len(rest) < length:
        raise _Malformed(Fault.UNKNOWN_PART)
    return length


def _with_parts(body: str, split: Iterator[tuple[str, str]], year: int) -> Barcode:
    parts: dict[str, str] = {}
    for ai, value in split:
        _check_part(ai, value)
        if parts.setdefault(ai, value) != value:
            raise _Malformed(Fault.TWICE)
    if not parts:
        raise _Malformed(Fault.EMPTY)
    for ai in ("00", "01", "02"):
        if ai in parts and not has_check_digit(parts[ai]):
            raise _Malformed(Fault.CHECK_DIGIT)
    found = Barcode(
        Form.GS1,
        _storable(body),
        gtin=parts.get("01", parts.get("02")),
        lot=parts.get("10"),
        serial=parts.get("21"),
        sscc=parts.get("00"),
        weight_g=_weight_g(parts),
    )
    return _with_dates(_with_quantity(found, parts), parts, year)


def _check_part(ai: str, value: str) -> None:
    fixed = _PREDEFINED.get(ai[:2])
    least, most = _CHARS.get(ai, (1, _PART_CHARS_MAX)) if fixed is None else (fixed, fixed)
    if not least <= len(value) <= most:
        raise _Malformed(Fault.BAD_LENGTH)
    digits = fixed is not None or ai in _NUMBERS
    if not (_is_digits(value) if digits else _PART_CHARACTERS.fullmatch(value)):
        raise _Malformed(Fault.BAD_CHARACTER)


def _with_quantity(found: Barcode, parts: Mapping[str, str]) -> Barcode:
    # 37 counts the items of 02, that are inside; 30 the pieces of 01 itself.
    said = parts.get("30" if "01" in parts or "02" not in parts else "37")
    if said is None:
        return found
    if int(said) == 0:
        return replace(found, fault=Fault.BAD_QUANTITY)
    return replace(found, quantity=int(said))


def _with_dates(found: Barcode, parts: Mapping[str, str], year: int) -> Barcode:
    expiry = parts.get("17", parts.get("7003"))
    if expiry is not None:
        day = full_date(expiry[:6], year=year)
        found = replace(found, expiry=day, fault=found.fault if day else Fault.BAD_DATE)
    if (best := parts.get("15")) is not None:
        day = full_date(best, year=year)
        found = replace(found, best_before=day, fault=found.fault if day else Fault.BAD_DATE)
    return found


def _weight_g(parts: Mapping[str, str]) -> int | None:
    for decimals in range(6):
        if (said := parts.get(f"310{decimals}")) is not None:
            grams, rest = divmod(int(said) * 1000, 10**decimals)
            return grams if rest == 0 and grams else None
    return None


def _text(body: str, fault: Fault | None) -> Barcode:
    text = _storable(body)
    if not text:
        return Barcode(Form.TEXT, "", fault=Fault.EMPTY)
    return Barcode(
        Form.TEXT, text, fault=Fault.TOO_LONG if len(body) > BARCODE_CHARS_MAX else fault
    )


def _storable(body: str) -> str:
    """A code of at most 80 characters; the same for the same scan, so that it is found again."""
    return "".join(map(_printable, body[:BARCODE_CHARS_MAX]))


def _printable(char: str) -> str:
    if code_fault(char) is None:
        return char
    # Unicode has a picture of each of the first 32: U+241D is that of GS.
    return chr(0x2400 + ord(char)) if ord(char) < 0x20 else "\ufffd"


def _is_digits(text: str) -> bool:
    # `isdigit` alone takes the digits of every script.
    return text.isascii() and text.isdigit()
