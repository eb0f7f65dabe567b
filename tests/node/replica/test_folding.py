"""What counts as the same words."""

import pytest

from node.replica.folding import words_of


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("Bibliothèque Bérénice", "bibliotheque BERENICE"),
        ("Cafe\u0301", "café"),
        ("Łódź", "lodz"),
        ("STRASSE", "straße"),
        ("\uff21\uff22\u3000\uff11\uff12", "ab 12"),
        ("ﬁne œufs", "fine oeufs"),
        ("500 mg", "500MG"),
        ("PARACETAMOL-500-TAB", "paracetamol 500 tab"),
        ("L'ARGININE", "l arginine"),
        ("Ёлка", "елка"),
        ("ΚΑΦΕΣ", "καφές"),
        ("煎茶ティーバッグ", "煎茶 ティーバッグ"),
        ("가격", "가격"),
    ],
)
def test_the_same_words_are_the_same_however_they_are_written(written: str, typed: str) -> None:
    assert words_of(written) == words_of(typed) != []


def test_words_end_where_nobody_says_them_and_between_a_number_and_letters() -> None:
    assert words_of("YELLOX 0,9 mg/ml") == ["yellox", "0", "9", "mg", "ml"]
    assert words_of("85123A") == ["85123", "a"]
    assert words_of(" -- \u241d\u00a0,") == []


def test_marks_that_make_another_word_of_it_are_kept() -> None:
    assert words_of("เล็บ") != words_of("เลบ")
    assert words_of("हिन्दी") == ["हिन्दी"]
