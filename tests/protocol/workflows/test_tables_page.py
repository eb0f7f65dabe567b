"""The page of the tables is the tables."""

from tests.protocol.workflows.tables_page import PATH, page


def test_the_page_says_what_the_tables_say() -> None:
    assert PATH.read_text(encoding="utf-8") == page(), (
        "write it anew: python -m tests.protocol.workflows.tables_page"
    )
