"""The page at /docs in a real browser, against a real daemon: a person authorises and sells something.

It needs Debian's chromium and says so when there is none; no browser is ever downloaded.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, expect, sync_playwright

from tests.node.enrolled import enrolled_folder
from tests.node.processes import Served, out, serving

ANSWER_MS_MAX = 20_000
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture
def page() -> Iterator[Page]:
    """Give an empty page."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield browser.new_page(viewport={"width": 1200, "height": 1600})
        browser.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Served]:
    """Give a node that serves the folder S01."""
    with serving(enrolled_folder(tmp_path / "S01").folder.path) as served:
        yield served


def test_a_sale_is_tried_on_the_page_and_nothing_leaves_the_machine(
    node: Served, page: Page, tmp_path: Path
) -> None:
    token = out("token", "--data", str(tmp_path / "S01"), "--name", "till-1")
    asked: list[str] = []
    complaints: list[str] = []

    def note_request(request: Request) -> None:
        asked.append(request.url)

    def note_complaint(message: ConsoleMessage) -> None:
        complaints.append(message.text)  # a refusal by the content security policy is one

    page.on("request", note_request)
    page.on("console", note_complaint)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(ANSWER_MS_MAX)
    page.goto(f"{node.url}/docs")

    page.get_by_role("button", name="Authorize").click()
    dialog = page.locator(".modal-ux")
    dialog.get_by_label("auth-bearer-value").first.fill(token)
    dialog.locator("button.authorize").first.click()
    dialog.locator("button.btn-done").first.click()

    sale = page.locator("#operations-movements-movements_record")
    sale.locator(".opblock-summary-control").click()
    sale.get_by_role("button", name="Try it out").click()
    sale.get_by_placeholder("Idempotency-Key").fill("tried-1")
    sale.get_by_role("button", name="Execute").click()
    answer = sale.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_contain_text("201")
    expect(answer).to_contain_text('"actor": "till-1"')

    status, row, _ = node.ask("GET", "/v1/stock/S01/85123A", token)
    assert (status, row["on_hand"]) == (200, -6)
    assert complaints == []
    assert len(asked) > 5
    own = (f"{node.url}/", "data:image/")  # Swagger UI's style sheet holds its icons
    assert [url for url in asked if not url.startswith(own)] == []
    links = page.eval_on_selector_all("[href], [src]", "all => all.map(e => e.href || e.src)")
    assert [link for link in links if not str(link).startswith(own)] == []
    page.screenshot(path=tmp_path / "tried.png", full_page=True)
