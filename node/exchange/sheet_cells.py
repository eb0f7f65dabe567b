"""From the text of a cell to a value of a kind, as the API takes it.

Invariant: what is read is what somebody who looks at the cell would say: digits and a sign for a whole number, one mark
before the decimals of money and no mark anywhere else. Whatever could be read in two ways is a fault.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from protocol.currencies import decimals_of
from protocol.declarations.kinds import Day, Flag, Id, Kind, Record, Whole
from protocol.declarations.vocabulary import Entries
from runtime.bodies import read_json
from runtime.problems import Problem

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_MONEY: Final = re.compile(r"(?P<whole>[0-9]{1,16})(?:[.,](?P<part>[0-9]{1,18}))?")
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "no", "n", "0"), False),
}
_SEPARATOR: Final = ";"


def value_of_cell(kind: Kind, cell: str, date_format: str | None) -> object:
    """The value of a cell; the kind itself says later whether it will do.

    Raises: ValueError with what is wrong.
    """
    text = cell.strip()
    match kind:
        case Whole():
            return _whole(text)
        case Flag():
            if text.casefold() not in _FLAGS:
                raise ValueError("must be yes or no, true or false, 1 or 0")
            return _FLAGS[text.casefold()]
        case Day():
            return _day(text, date_format)
        case Id():
            return text.lower()
        case _:
            return cell


def money_of_cell(cell: str, currency: str | None, decimal: str) -> dict[str, object]:
    """An amount written as people write it, 12.50 (or 12,50 if `decimal` is the comma), in minor units.

    Raises: ValueError with what is wrong.
    """
    if currency is None:
        raise ValueError("has no currency; a column for it, or --currency, says it")
    text = cell.strip()
    found = _MONEY.fullmatch(text)
    if found is None or ("," if decimal == "." else ".") in text:
        other = "" if decimal == "," else "; --decimal comma reads 12,50"
        raise ValueError(
            f"must be an amount such as 12{decimal}50, without thousands' marks{other}"
        )
    part = (found["part"] or "").rstrip("0")
    decimals = decimals_of(currency)
    if len(part) > decimals:
        raise ValueError(f"has more decimals than an amount of {currency} has, which is {decimals}")
    return {"amount": int(found["whole"] + part.ljust(decimals, "0")), "currency": currency}


def text_of_money(value: Mapping[str, object]) -> tuple[str, str]:
    """An amount as `money_of_cell` reads it, with a point, and its currency."""
    currency = str(value["currency"])
    decimals = decimals_of(currency)
    digits = str(value["amount"]).rjust(decimals + 1, "0")
    if not decimals:
        return digits, currency
    return f"{digits[:-decimals]}.{digits[-decimals:]}", currency


def entries_of_cell(entries: Entries, cell: str) -> Mapping[object, object]:
    """All entries of a map: `KEY` or `KEY=VALUE`, separated by `;`, or a JSON object.

    Raises: ValueError with what is wrong.
    """
    text = cell.strip()
    if text.startswith("{"):
        try:
            found = read_json(text.encode())
        except Problem as problem:
            raise ValueError(problem.detail.replace("The body", "it").rstrip(".")) from None
        assert isinstance(found, dict), "it begins like one"
        return found
    parts = [part.strip() for part in text.split(_SEPARATOR)]
    listed: dict[object, object] = {}
    for part in filter(None, parts):
        key, equals, value = part.rpartition("=")
        name = (key if equals else part).strip()
        if name in listed:
            raise ValueError("names the same twice")
        listed[name] = entry_of_cell(entries, value if equals else "", None)
    return listed


def entry_of_cell(entries: Entries, cell: str, date_format: str | None) -> object:
    """One entry's value; of a record with one member, that member.

    Raises: ValueError with what is wrong.
    """
    if not isinstance(entries.value, Record):
        return value_of_cell(entries.value, cell, date_format)
    part = entries.value.parts[0]
    if not cell.strip():
        return {}
    return {part.name: value_of_cell(part.kind, cell.strip(), date_format)}


def _whole(text: str) -> int:
    if _WHOLE.fullmatch(text) is None:
        raise ValueError("must be a whole number")
    return int(text)


def _day(text: str, date_format: str | None) -> str:
    if date_format is None:
        return text
    try:
        found = datetime.strptime(text, date_format)  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise ValueError("does not have the form that --date-format says") from None
    return found.date().isoformat()
