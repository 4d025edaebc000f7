"""What a visitor does in the style transfer tab."""

from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from gan_models.images import read_provenance
from gan_models.images.provenance import write_png
from tests.browser.steps import open_tab, press, run, send_to, upload, wait, wait_for_status
from tests.browser.test_faces import set_number

RESULT = ".result-file a[download]"


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


def test_a_dropped_result_restores_its_settings(app, browser, tmp_path):
    settings = {"steps": 70, "content_weight": 3e-7, "style_weight": 1e-6, "tv_weight": 1e-6, "side": 160}
    settings |= {"start": "noise", "optimizer": "lbfgs", "colours": "histogram", "content_layer": "relu2_2"}
    settings |= {"style_layers": "relu1_1", "red": 0, "green": 0, "blue": 0, "seed": 5, "coarse": 0.3}
    picture = np.full((32, 48, 3), 150, np.uint8)
    write_png(tmp_path / "a.png", picture, task="style-transfer", model="features-compact", **settings)
    browser.get(app.url)
    wait(browser, "button.run")
    open_tab(browser, "Style transfer")
    upload(browser, tmp_path / "a.png")

    def shown(driver):
        fields = [field for field in driver.find_elements(By.CSS_SELECTOR, "input") if field.is_displayed()]
        return {field.get_property("value") for field in fields}

    WebDriverWait(browser, 10).until(lambda driver: {"70", "160"} <= shown(driver), "no settings are restored")
    assert shown(browser) & {"3e-7", "0.0000003", "3e-07"}


def test_a_cancelled_run_goes_on_from_where_it_was(app, browser):
    browser.get(app.url)
    wait(browser, "button.run")
    open_tab(browser, "Style transfer")
    for examples in ("#examples-style-transfer", "#examples-styles"):
        wait(browser, f"{examples} button.gallery-item, {examples} .gallery-item").click()
    set_number(browser, "Steps", 1000)
    set_number(browser, "Pixels", 128)
    run(browser)
    wait_for_status(browser, "style ")
    wait(browser, ".before-after img")
    wait(browser, "button.cancel").click()
    wait_for_status(browser, "Cancelled.")
    press(browser, "Go on from here")
    wait(browser, ".begun img")
    set_number(browser, "Steps", 10)
    run(browser)
    wait_for_status(browser, "pixels in")
    link = next(link for link in browser.find_elements(By.CSS_SELECTOR, RESULT) if link.is_displayed())
    file = urlparse(link.get_attribute("href")).path.split("/gradio_api/file=")[1]
    assert read_provenance(Path(unquote(file)))["settings"]["begun"], "the result doesn't say what it went on from"
    seen = "return [...document.querySelectorAll('.begun')].some(area => area.offsetParent)"
    assert browser.execute_script(seen), "what the run went on from isn't shown any more"
    wait(browser, "#examples-style-transfer button:nth-of-type(2), #examples-style-transfer .gallery-item").click()
    WebDriverWait(browser, 10).until(
        lambda driver: not driver.execute_script(seen), "another picture goes on from what the first one came to"
    )


def test_a_learned_style_redraws_an_example(app, browser):
    browser.get(app.url)
    wait(browser, "button.run")
    open_tab(browser, "Style transfer")
    open_tab(browser, "Learned styles")
    wait(browser, "#examples-fast-style button.gallery-item, #examples-fast-style .gallery-item").click()
    wait(browser, ".picture-input img[src*='astronaut']")
    run(browser)
    assert "Starry Night" in wait_for_status(browser, "pixels in")
    assert "Starry Night" in browser.find_element(By.CSS_SELECTOR, ".badges").text
    wait(browser, ".before-after [role=slider], .before-after .inner")
    send_to(browser, "Style transfer")
    wait(browser, ".picture-input img[src*='fast-style']")
    selected = [tab.text for tab in browser.find_elements(By.CSS_SELECTOR, "button[role=tab][aria-selected=true]")]
    assert "Any style" in selected
