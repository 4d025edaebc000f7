"""What a visitor does in the tabs that restore pictures: one picture, several, a film."""

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from gan_models.images.provenance import write_png
from gan_models.images.video import open_video
from tests.browser.steps import open_tab, run, send_to, upload, wait, wait_for_status


@pytest.fixture
def page(app, browser):
    """Open the tab for dehazing."""
    browser.get(app.url)
    open_tab(browser, "Dehazing")
    wait(browser, ".picture-input input[type=file]", visible=False)
    return browser


def give(browser, selector, *paths):
    """Drop files on the place that `selector` shows."""
    area = wait(browser, selector)
    area.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys("\n".join(map(str, paths)))


def test_an_example_is_dehazed_compared_and_sent_on(page):
    wait(page, "#examples-dehazing button.gallery-item, #examples-dehazing .gallery-item").click()
    wait(page, ".picture-input img")
    run(page)
    assert "Compact, CANDY" in wait_for_status(page, "pixels in")
    wait(page, ".before-after [role=slider], .before-after .inner")
    send_to(page, "Deblurring")
    WebDriverWait(page, 20).until(lambda _: wait(page, "button.run") and wait(page, ".picture-input img"))
    run(page)
    assert "Compact, for motion" in wait_for_status(page, "pixels in")


def test_several_pictures_come_back_as_a_zip(app, page, tmp_path):
    open_tab(page, "Several")
    examples = sorted((app.root / "examples/dehazing").iterdir())[:2]
    give(page, ".images-input", *examples)
    wait(page, ".images-input .file-preview, .images-input table")
    run(page)
    wait_for_status(page, "2 pictures in")
    assert len([image for image in page.find_elements(By.CSS_SELECTOR, ".pictures img") if image.is_displayed()]) == 2
    wait(page, ".result-file a[download]").click()
    WebDriverWait(page, 20).until(lambda _: next(tmp_path.glob("*.zip"), None))


def test_a_film_is_dehazed(page, tmp_path):
    with open_video(tmp_path / "fog.mp4", fps=10, task="x") as film:
        for grey in (120, 130, 140):
            film.write(np.full((64, 96, 3), grey, np.uint8))
    open_tab(page, "Film")
    give(page, ".film-input", tmp_path / "fog.mp4")
    wait(page, ".film-input video[src*='fog.mp4']")  # uploaded, not only shown
    run(page)
    wait_for_status(page, "3 pictures")
    shown = wait(page, ".film video")
    width = "return arguments[0].videoWidth"
    assert WebDriverWait(page, 20).until(lambda driver: driver.execute_script(width, shown)) == 96


def test_a_dropped_result_restores_its_settings(page, tmp_path):
    picture = np.full((32, 48, 3), 150, np.uint8)
    write_png(tmp_path / "a.png", picture, task="dehazing", model="dark-channel", strength=0.25)
    upload(page, tmp_path / "a.png")
    number = wait(page, "input[type=number]")
    WebDriverWait(page, 10).until(lambda _: number.get_property("value") == "0.25", "the strength is not restored")
    run(page)
    assert "Dark channel prior" in wait_for_status(page, "pixels in")
