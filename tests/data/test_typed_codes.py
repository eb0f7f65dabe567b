"""What the replay of typed codes makes up itself is right: the numbers of articles, and what can be scanned."""

from protocol.barcodes import Form, read_barcode
from tests.data.typed_codes import OF_GS1, gtin_of, lot_line


def test_every_article_has_a_number_of_its_own_with_a_right_check_digit() -> None:
    numbers = [gtin_of(f"V-{n:02}") for n in range(1, 200)]
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        assert read_barcode(number, year=2026).form is Form.GTIN
    assert gtin_of("V-01")[:-1] == "0200000000001"


def test_a_scanned_lot_is_read_as_it_was_typed_whatever_signs_it_has() -> None:
    for lot in ("J3N9F", "j3n9f", "(L)UT5913LA", "--", ".?", "a/b", "10", "17261231", "%2F"):
        assert OF_GS1.issuperset(lot)
        line = lot_line("V-07", lot, 3, "receive", is_scanned=True)
        read = read_barcode(line["barcode"], year=2026)
        assert (read.gtin, read.lot, line["packs"]) == (gtin_of("V-07"), lot, 3)


def test_a_lot_that_no_code_can_hold_is_typed() -> None:
    for lot in ("00017 92032", "C#1", "[A", "a|b"):
        assert not OF_GS1.issuperset(lot)
        assert read_barcode(f"]C101{gtin_of('V-07')}10{lot}", year=2026).lot is None
    line = lot_line("V-07", "00017 92032", 2, "sale", is_scanned=False)
    assert line == {"sku": "V-07", "lot": "00017 92032", "delta": -2}
