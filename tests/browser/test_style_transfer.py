"""What a visitor does in the style transfer tab."""

from selenium.webdriver.common.by import By

from tests.browser.steps import open_tab, run, wait, wait_for_status
from tests.browser.test_faces import set_number


def test_examples_are_clicked_and_drawn_with_live_previews(app, browser):
    browser.get(app.url)
    wait(browser, "button.run")
    open_tab(browser, "Style transfer")
    for examples in ("#examples-style-transfer", "#examples-styles"):
        wait(browser, f"{examples} button.gallery-item, {examples} .gallery-item").click()
    wait(browser, ".picture-input img[src*='strokes'], .picture-input img[src*='mosaic'], .picture-input img")
    set_number(browser, "Steps", 40)
    set_number(browser, "Pixels", 128)
    run(browser)
    wait_for_status(browser, "style ")
    wait(browser, ".before-after img, .before-after canvas")
    status = wait_for_status(browser, "pixels in")
    assert "Compact features" in status
    wait(browser, ".curves img")
    shown = [image for image in browser.find_elements(By.CSS_SELECTOR, ".pictures img") if image.is_displayed()]
    assert len(shown) >= 3
