"""Barcodes: what is there is read, what is not changes nothing, and whatever it is, it is found again."""

import csv
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.barcodes import Barcode, Fault, Form, full_date, has_check_digit, read_barcode
from protocol.ids import code_fault
from protocol.limits import BARCODE_CHARS_MAX, SCAN_CHARS_MAX
from tests.data.movements import data_folder

GTIN = "03453120000011"
GS = "\x1d"


def read(scanned: str) -> Barcode:
    """Read it in 2026."""
    return read_barcode(scanned, year=2026)


PLAIN = {
    "EAN-13": ("3453120000011", GTIN),
    "EAN-13 by a scanner that names symbologies": ("]E03453120000011", GTIN),
    "EAN-8": ("96385074", "00000096385074"),
    "EAN-8 by a scanner that names symbologies": ("]E496385074", "00000096385074"),
    "UPC-A": ("036000291452", "00036000291452"),
    "ITF-14": ("]I115400141288763", "15400141288763"),
    "typed with a line end": ("3453120000011\r\n", GTIN),
}


@pytest.mark.parametrize(("scanned", "gtin"), PLAIN.values(), ids=PLAIN)
def test_a_number_with_a_right_check_digit_is_a_gtin_and_says_nothing_else(
    scanned: str, gtin: str
) -> None:
    text = scanned.strip()[3:] if scanned.startswith("]") else scanned.strip()
    assert read(scanned) == Barcode(Form.GTIN, text, gtin=gtin)


# GTIN, lot, expiry, best before, quantity, serial
WHOLE = {
    "fixed parts need no separator": (
        f"]C101{GTIN}17270831",
        (GTIN, None, "2027-08-31", None, None, None),
    ),
    "a lot in the middle ends at its separator": (
        f"]d201{GTIN}10AB-12/x{GS}17270831",
        (GTIN, "AB-12/x", "2027-08-31", None, None, None),
    ),
    "a lot at the end needs none": (
        f"]Q301{GTIN}1728022910L7",
        (GTIN, "L7", "2028-02-29", None, None, None),
    ),
    "a serial is no part of the lot": (
        f"]d201{GTIN}10L7{GS}2100042",
        (GTIN, "L7", None, None, None, "00042"),
    ),
    "a separator is allowed behind every part": (
        f"]C1{GS}01{GTIN}{GS}15260930{GS}10L7{GS}",
        (GTIN, "L7", None, "2026-09-30", None, None),
    ),
    "pieces of the item": (f"]e001{GTIN}3012", (GTIN, None, None, None, 12, None)),
    "items inside": (f"]C102{GTIN}3748", (GTIN, None, None, None, 48, None)),
    "a count of what is inside is none of the item itself": (
        f"]C101{GTIN}3748",
        (GTIN, None, None, None, None, None),
    ),
    "an expiry with a time": (
        f"]d201{GTIN}70032708311200",
        (GTIN, None, "2027-08-31", None, None, None),
    ),
    "parts that nobody asked for are passed over": (
        f"]d201{GTIN}240ABC{GS}91whatever{GS}4103453120000011710PZN{GS}10L7",
        (GTIN, "L7", None, None, None, None),
    ),
    "without a prefix, by its separator": (
        f"01{GTIN}10L7{GS}17270831",
        (GTIN, "L7", "2027-08-31", None, None, None),
    ),
    "without prefix and separator, by its check digit": (
        f"01{GTIN}17270831",
        (GTIN, None, "2027-08-31", None, None, None),
    ),
    "typed as it is printed": (
        f"(01) {GTIN} (17) 270831 (10) L7",
        (GTIN, "L7", "2027-08-31", None, None, None),
    ),
    "only a lot": ("]C110L7", (None, "L7", None, None, None, None)),
}


@pytest.mark.parametrize(("scanned", "parts"), WHOLE.values(), ids=WHOLE)
def test_each_part_is_read_and_an_absent_one_is_none(
    scanned: str, parts: tuple[str | int | None, ...]
) -> None:
    found = read(scanned)
    assert found.form is Form.GS1
    assert found.fault is None
    said = (found.gtin, found.lot, found.expiry, found.best_before, found.quantity, found.serial)
    assert said == parts


def test_a_weight_is_in_grams_and_a_pallet_has_its_number() -> None:
    assert read(f"]e001{GTIN}3103000202").weight_g == 202
    assert read(f"]e001{GTIN}3102000202").weight_g == 2_020
    assert read(f"]e001{GTIN}3104000202").weight_g is None, "20.2 g are no whole number of grams"
    assert read("]C100340123450000000000").sscc == "340123450000000000"


MALFORMED = {
    "a wrong check digit": ("3453120000012", Fault.CHECK_DIGIT),
    "a wrong check digit in its GTIN": ("]C10103453120000012", Fault.CHECK_DIGIT),
    "a part that is not given out": (f"]C101{GTIN}0512", Fault.UNKNOWN_PART),
    "half an identifier": (f"]C101{GTIN}3", Fault.UNKNOWN_PART),
    "a date cut short": (f"]C101{GTIN}1727", Fault.BAD_LENGTH),
    "a lot that nothing ends": (f"]C101{GTIN}10{'A' * 21}", Fault.BAD_LENGTH),
    "a lot without a character": (f"]C101{GTIN}10{GS}17270831", Fault.BAD_LENGTH),
    "a date of letters": (f"]C101{GTIN}17AUG027", Fault.BAD_CHARACTER),
    "a lot with a space": (f"]C101{GTIN}10L 7", Fault.BAD_CHARACTER),
    "two lots": (f"]C101{GTIN}10L7{GS}10L8", Fault.TWICE),
    "nothing behind the prefix": ("]C1", Fault.EMPTY),
    "nothing": ("  ", Fault.EMPTY),
    "too long to store": ("A" * (BARCODE_CHARS_MAX + 1), Fault.TOO_LONG),
    "too long to look at": (f"]C101{GTIN}10L7{GS}" * SCAN_CHARS_MAX, Fault.TOO_LONG),
    "parts without a prefix, cut short": (f"01{GTIN}1727", Fault.BAD_LENGTH),
    "typed, with an identifier that is none": (f"(01){GTIN}(105)L7", Fault.UNKNOWN_PART),
    "typed, with something behind": (f"(01){GTIN}(10)L7)x", Fault.BAD_CHARACTER),
    "an expiry with half a time": (f"]C101{GTIN}7003270831", Fault.BAD_LENGTH),
}


@pytest.mark.parametrize(("scanned", "fault"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_code_is_text_that_says_why_and_nothing_else(
    scanned: str, fault: Fault
) -> None:
    found = read(scanned)
    assert found == Barcode(Form.TEXT, found.text, fault=fault)
    assert found.lookup_keys() == ((found.text,) if found.text else ())


@pytest.mark.parametrize("code", ["A-100", "4711", "卵", "007", "12345678901", "S01/7"])
def test_a_code_of_the_shops_own_is_text_and_nothing_is_wrong_with_it(code: str) -> None:
    assert read(code) == Barcode(Form.TEXT, code)


def test_a_part_that_cannot_be_is_absent_and_the_others_stand() -> None:
    """Complaint 25 of the domain's list: a missing or broken part must not blank what is known."""
    found = read(f"]d201{GTIN}10L7{GS}17270231")
    assert (found.gtin, found.lot, found.expiry) == (GTIN, "L7", None)
    assert found.fault is Fault.BAD_DATE
    assert read(f"]d201{GTIN}15271301").best_before is None
    assert read(f"]d201{GTIN}17000000").fault is Fault.BAD_DATE
    assert read(f"]d201{GTIN}30000").fault is Fault.BAD_QUANTITY


DATES = {
    "day 00 is the last of the month": ("270200", 2026, "2027-02-28"),
    "of a leap year too": ("280200", 2026, "2028-02-29"),
    "fifty years ahead": ("760101", 2026, "2076-01-01"),
    "not fifty-one: forty-nine back": ("770101", 2026, "1977-01-01"),
    "a century that is near its end": ("020101", 1998, "2002-01-01"),
    "of the century before": ("990101", 2026, "1999-01-01"),
    "no such month": ("271301", 2026, None),
    "no month": ("270001", 2026, None),
    "no such day": ("270230", 2026, None),
}


@pytest.mark.parametrize(("digits", "year", "day"), DATES.values(), ids=DATES)
def test_two_digits_of_a_year_are_the_nearest_such_year(
    digits: str, year: int, day: str | None
) -> None:
    assert full_date(digits, year=year) == day


def test_one_gtin_is_found_however_it_was_stored() -> None:
    keys = read(f"]d201{GTIN}10L7").lookup_keys()
    assert keys[0] == "3453120000011", "as it is printed on the pack"
    assert set(keys) == {"3453120000011", GTIN}
    assert set(read("036000291452").lookup_keys()) == {
        "036000291452",
        "0036000291452",
        "00036000291452",
    }
    assert read("96385074").lookup_keys()[0] == "96385074"
    assert read("15400141288763").lookup_keys() == ("15400141288763",), (
        "a case is not what is in it"
    )


def test_a_lot_keeps_its_case_and_its_zeros() -> None:
    assert read(f"]d201{GTIN}10007aB").lot == "007aB"


anything = st.one_of(
    st.text(max_size=100),
    st.text("01273()]C1d2\x1dAB ", max_size=60),
    st.lists(
        st.sampled_from(
            [f"01{GTIN}", f"02{GTIN}", "17270831", "15271301", "10L7", "3012", "37", "7003", GS]
        ),
        max_size=6,
    ).map("".join),
).flatmap(lambda body: st.sampled_from(["", "]C1", "]d2", "]E0", "]zz"]).map(lambda p: p + body))


@given(anything, st.integers(1, 9999))
def test_whatever_is_scanned_has_a_text_that_can_be_stored_and_is_found_again(
    scanned: str, year: int
) -> None:
    found = read_barcode(scanned, year=year)
    assert not found.text or code_fault(found.text, chars_max=BARCODE_CHARS_MAX) is None
    assert bool(found.text) or found.fault is Fault.EMPTY
    assert read_barcode(scanned, year=year) == found
    if found.form is not Form.GTIN:
        assert found.gtin is None or found.form is Form.GS1
    if found.form is Form.TEXT and found.text:
        assert found.text in found.lookup_keys()


@given(st.from_regex(r"[0-9]{7,13}", fullmatch=True))
def test_exactly_one_last_digit_is_the_check_digit(digits: str) -> None:
    assert sum(has_check_digit(digits + last) for last in "0123456789") == 1


@given(
    st.sampled_from(["L7", "ab-12/x", "0042"]),
    st.sampled_from(["270831", "280200"]),
    st.permutations(["01", "10", "17"]),
)
def test_parts_say_the_same_in_any_order(lot: str, expiry: str, order: list[str]) -> None:
    parts = {"01": GTIN, "10": lot + GS, "17": expiry}
    found = read("]d2" + "".join(ai + parts[ai] for ai in order))
    assert (found.gtin, found.lot, found.fault) == (GTIN, lot, None)
    assert found.expiry == full_date(expiry, year=2026)


# As shoppers all over the world photographed them; the whole set is beside the checkout at times.
SEEN = {
    "3453120000011": Form.GTIN,
    "96385074": Form.GTIN,
    "0103255790005149151908281028081892": Form.GS1,
    "010502896603512115170731107009": Form.GS1,
    "01054001410709893103000202": Form.GS1,
    "010302804404118445": Form.TEXT,
    "274251349102498250000445": Form.TEXT,
    "91840340001108102274005817201028": Form.TEXT,
}


def test_barcodes_as_they_were_seen_are_read_or_kept_as_they_are() -> None:
    seen: dict[str, Form | None] = dict(SEEN)
    folder = data_folder()
    if folder is not None:
        with gzip.open(folder / "barcodes" / "products.csv.gz", "rt", encoding="utf-8") as lines:
            seen = {row["barcode"]: None for row in csv.DictReader(lines)} | seen
    found = {scan: read(scan) for scan in seen}
    assert all(barcode.text == scan for scan, barcode in found.items())
    assert all(found[scan].form is form for scan, form in SEEN.items())
    if folder is not None:
        reference = json.loads((folder / "barcodes" / "reference.json").read_text("utf-8"))
        gtins = {scan for scan, barcode in found.items() if barcode.form is Form.GTIN} - set(SEEN)
        assert len(gtins) == reference["valid_check_digit"]


def test_a_label_of_a_butcher_is_read_to_the_gram() -> None:
    label = read("0103255790005149151908281028081892")
    assert (label.gtin, label.best_before, label.lot) == (
        "03255790005149",
        "2019-08-28",
        "28081892",
    )
    assert read("01054001410709893103000202").weight_g == 202
