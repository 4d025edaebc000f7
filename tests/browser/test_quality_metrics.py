"""What a visitor does to see how good pictures are."""

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.steps import open_tab, run, wait, wait_for_status

MADE_HERE = {"Original", "Bicubic", "Compact, faithful", "Compact, crisp"}


@pytest.fixture
def page(app, browser):
    """Open the tab for quality metrics."""
    browser.get(app.url)
    wait(browser, "button.run")
    open_tab(browser, "Quality metrics")
    return browser


def until(browser, condition):
    """Wait for `condition`, in a page whose parts are drawn anew meanwhile."""
    wait = WebDriverWait(browser, 30, ignored_exceptions=(StaleElementReferenceException,))
    return wait.until(lambda _: condition())


def press(browser, text):
    def click():
        found = browser.find_elements(By.XPATH, f"//button[normalize-space()='{text}']")
        return next((button.click() or True for button in found if button.is_displayed()), None)

    until(browser, click)


def table(browser):
    """Return the texts in the table that is shown, row by row."""
    rows = browser.find_elements(By.CSS_SELECTOR, ".figures [role=row]")
    cells = [
        [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "[role=gridcell]")]
        for row in rows
        if row.is_displayed()
    ]
    return [row for row in cells if any(row)]


def test_an_example_is_measured_and_mapped(page):
    wait(page, "#examples-measuring .gallery-item")
    press(page, "Blurred")
    wait(page, ".image-input img")
    wait(page, ".reference-input img")
    run(page)
    assert "240 × 192 pixels" in wait_for_status(page, "levels of 255 apart")
    until(page, lambda: ["PSNR", "26.36 dB"] in [row[:2] for row in table(page)])
    assert len([image for image in page.find_elements(By.CSS_SELECTOR, ".figure img") if image.is_displayed()]) == 3


def test_results_are_rated_without_names_and_then_named(page):
    open_tab(page, "Opinion")
    wait(page, "#examples-opinion .gallery-item").click()
    wait(page, ".picture-input img")
    press(page, "Begin")
    for number, answer in enumerate(("1 Bad", "3 Fair", "4 Good", "5 Excellent"), start=1):
        wait_for_status(page, f"Picture {number} of 4")
        wait(page, ".judged img")
        press(page, answer)
    wait_for_status(page, "That's all")
    shown = page.find_element(By.TAG_NAME, "body").text
    assert not any(name in shown for name in MADE_HERE - {"Original"})
    press(page, "Show the table")
    wait_for_status(page, "The names are out")
    until(page, lambda: {row[0] for row in table(page)} == MADE_HERE)
    assert sorted(row[1] for row in table(page)) == ["1.00", "3.00", "4.00", "5.00"]
    assert [link for link in page.find_elements(By.CSS_SELECTOR, ".result-file a[download]") if link.is_displayed()]
    press(page, "Forget all answers")
    wait_for_status(page, "Forgotten.")
    until(page, lambda: not table(page))
