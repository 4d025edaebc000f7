"""What a visitor does in the translation tab."""

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from gan_models.images import decode
from gan_models.images.facades import FACADE_LABELS
from tests.browser.steps import choose, open_tab, run, wait, wait_for_status
from tests.browser.test_single_image import drag


@pytest.fixture
def page(app, browser):
    browser.get(app.url)
    wait(browser, "button.run")
    open_tab(browser, "Image translation")
    return browser


def click_example(browser, folder, name):
    """Click the example whose file is called `name`."""
    wait(browser, f"#examples-{folder} img")
    pictures = browser.find_elements(By.CSS_SELECTOR, f"#examples-{folder} img")
    next(picture for picture in pictures if name in picture.get_attribute("src")).click()


@pytest.mark.parametrize(("file", "title"), [("facade", "facade"), ("grey", "colour"), ("hole", "hole")])
def test_an_example_brings_its_weights_and_is_translated(page, file, title):
    click_example(page, "translation", file)
    wait(page, f".picture-input img[src*='{file}']")
    run(page)
    assert title in wait_for_status(page, "pixels in")
    wait(page, ".before-after [role=slider], .before-after .inner")


def drawn(browser):
    """Return the address of the picture beside the canvas, once there is one."""
    return wait(browser, ".shown img").get_attribute("src")


def test_a_stroke_becomes_a_picture_at_once(page):
    open_tab(page, "Draw")
    canvas = wait(page, ".canvas canvas")
    wait(page, ".canvas [aria-label='Brush']", visible=False)
    before = drawn(page)
    drag(page, canvas, (0.3, 0.3), (0.6, 0.35))
    WebDriverWait(page, 20, 0.02).until(lambda _: drawn(page) != before, "the stroke changed nothing")
    assert page.find_elements(By.CSS_SELECTOR, ".result-file a[download]")


def test_labels_are_picked_by_their_names_and_what_was_drawn_stays(page, tmp_path):
    """Two strokes, as wide as the canvas, in the colours of two labels."""
    open_tab(page, "Draw")
    canvas = wait(page, ".canvas canvas")
    strokes = {"window": 0.45, "shop": 0.62}

    def seen(label):
        """Say whether the stroke of `label` is on the canvas, in its colour."""
        page.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)  # only what is seen is shot
        canvas.screenshot(str(tmp_path / "canvas.png"))
        shown = decode(tmp_path / "canvas.png")[:, :, :3].astype(int)
        row = shown[round(strokes[label] * len(shown)), round(0.35 * shown.shape[1]) : round(0.65 * shown.shape[1])]
        return (np.abs(row - FACADE_LABELS[label]).max(1) < 12).mean() > 0.95

    for label, height in strokes.items():
        before = drawn(page)
        choose(page, label)
        colour = "rgb({}, {}, {})".format(*FACADE_LABELS[label])
        wait(page, f".canvas [aria-label='Color'][style*='{colour}']")  # the brush has changed
        drag(page, canvas, (0.3, height), (0.7, height))
        WebDriverWait(page, 20, 0.05).until(lambda _, label=label: seen(label), f"no stroke of {label}")
        WebDriverWait(page, 20, 0.05).until(lambda _, before=before: drawn(page) != before)
    assert seen("window")


def test_a_drawing_is_chosen_and_drawn_on(page):
    open_tab(page, "Draw")
    wait(page, ".canvas canvas")
    assert wait(page, ".labels").is_displayed()
    first = drawn(page)
    choose(page, "Compact, edges to a face")
    WebDriverWait(page, 20, 0.05).until(lambda _: drawn(page) != first)
    assert not [one for one in page.find_elements(By.CSS_SELECTOR, ".labels") if one.is_displayed()]
    second = drawn(page)
    drag(page, wait(page, ".canvas canvas"), (0.4, 0.5), (0.6, 0.5))
    WebDriverWait(page, 20, 0.05).until(lambda _: drawn(page) != second)
