"""JSON bodies, read so that every reader of one sees the same thing.

Rule: what parsers disagree on is refused. Of a key given twice one parser keeps the first value and
another the last, which has made administrators (CVE-2017-12635); NaN, infinities and half of a
surrogate pair pass here and fail when the value is stored or sent on.
"""

import json
import math
from typing import Final, NoReturn

from runtime.problems import Problem

DEPTH_MAX = 32  # of objects and arrays in one another; our bodies need five
# A body of 1 MiB can hold 500,000 empty arrays, whose objects take 100 times its size. A full batch
# has a container for every 20 bytes.
CONTAINERS_MAX = 65_536


def read_json(raw: bytes) -> object:
    """Parse a body that the server has already bounded in size.

    Raises: Problem `malformed_body`.
    """
    containers = raw.count(b"{") + raw.count(b"[")
    if containers > CONTAINERS_MAX:
        _refuse("the body has too many objects and arrays")
    try:
        value: object = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError:
        _refuse("the body is not UTF-8")
    except json.JSONDecodeError as error:
        _refuse(f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})")
    except ValueError:
        _refuse("a number is too long")
    except RecursionError:
        _refuse(f"the body is nested more than {DEPTH_MAX} deep")
    if containers > DEPTH_MAX:  # fewer cannot be nested deeper
        _check_depth(value)
    if b"\\u" in raw:  # the only way for half a surrogate pair to come in
        _check_surrogates(value)
    return value


def _refuse(reason: str) -> NoReturn:
    # Without the exception in hand as context: it holds the whole body.
    raise Problem("malformed_body", f"{reason[0].upper()}{reason[1:]}.") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("a key is given twice in one object")
    return members


def _constant(name: str) -> NoReturn:
    _refuse(f"{name} is not a number in JSON")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):  # 1e400
        _refuse("a number is too large")
    return number


# Made once: json.loads would make one for every body.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
)


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(DEPTH_MAX):
        # The containers of one level hold the next one.
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    if any(isinstance(value, dict | list) for value in level):
        _refuse(f"the body is nested more than {DEPTH_MAX} deep")


def _check_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        _refuse("a text holds half of a surrogate pair")
