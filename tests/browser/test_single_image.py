"""What a visitor does with a single image: sample, harmonise, edit, paint, animate, train, cancel, go on."""

import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from gan_models.images import decode
from gan_models.singan.model import load
from tests.browser.steps import open_tab, press, run, send_to, upload, wait, wait_for_status


@pytest.fixture
def page(app, browser):
    """Open the tab."""
    browser.get(app.url)
    open_tab(browser, "Single image")
    wait(browser, "button.run")
    return browser


def shown(page, selector):
    return [element for element in page.find_elements(By.CSS_SELECTOR, selector) if element.is_displayed()]


def drag(page, canvas, start, end):
    """Drag on `canvas` from one place to another, both as shares of it."""
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    width, height = canvas.size["width"], canvas.size["height"]
    first, last = ((round((x - 0.5) * width), round((y - 0.5) * height)) for x, y in (start, end))
    moves = ActionChains(page).move_to_element_with_offset(canvas, *first).click_and_hold()
    moves.move_by_offset(last[0] - first[0], last[1] - first[1]).release().perform()


def download(page, folder, pattern):
    link = shown(page, ".result-file a[download]")[0]
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
    link.click()
    path = WebDriverWait(page, 20).until(lambda _: next(folder.glob(pattern), None))
    WebDriverWait(page, 20).until(lambda _: not list(folder.glob("*.crdownload")))
    return path


def test_samples_are_drawn_and_one_is_sent_to_be_enlarged(page):
    run(page)
    assert "8 pictures of 128 × 85 pixels" in wait_for_status(page, "pictures of")
    wait(page, ".pictures .thumbnail-item")
    send_to(page, "Super-resolution")
    wait(page, ".picture-input img[src*='single-image']")


def test_another_model_brings_its_picture_and_scales(page):
    before = wait(page, "img[alt*='trained on'], .image-frame img").get_attribute("src")
    wait(page, "input[aria-label='Weights']").click()
    wait(page, "li[aria-label*='Mountains']").click()
    WebDriverWait(page, 20).until(lambda _: shown(page, ".image-frame img")[0].get_attribute("src") != before)
    run(page)
    assert "by Mountains" in wait_for_status(page, "pictures of")


def test_an_object_is_placed_with_the_mouse_and_harmonised(page, tmp_path):
    open_tab(page, "Harmonise")
    wait(page, "#examples-single-image-objects .gallery-item").click()
    wait(page, ".picture-input img[src*='airship']")
    drag(page, wait(page, ".placement canvas"), (0.5, 0.5), (0.7, 0.3))
    _wait_for_files(page, 2)
    run(page)
    assert "128 × 85 pixels" in wait_for_status(page, "pixels in")
    result = decode(download(page, tmp_path, "*.png"))
    with Image.open("examples/single-image/balloons.png") as picture:
        plain = decode(_saved(picture.convert("RGB").resize((128, 85), Image.Resampling.BICUBIC), tmp_path))
    changed = abs(result.astype(int) - plain).mean(-1)
    assert changed[15:35, 75:105].mean() > 10  # where it was dropped
    assert changed[50:, :40].mean() < 5  # far from there


def _saved(picture, folder):
    picture.save(folder / "plain.bmp")
    return folder / "plain.bmp"


def _wait_for_files(page, count):
    """Wait until the composite and its mask are there, in a panel that is opened for that."""
    press(page, "Advanced")
    inputs = ".composite img, .edited img, .mask img"
    WebDriverWait(page, 20).until(lambda _: len(shown(page, inputs)) == count, "no composite and mask")


def test_a_piece_is_cut_out_and_moved(page):
    open_tab(page, "Edit")
    canvas = wait(page, ".placement canvas")
    drag(page, canvas, (0.05, 0.5), (0.25, 0.8))
    drag(page, canvas, (0.15, 0.65), (0.6, 0.5))
    _wait_for_files(page, 2)
    run(page)
    assert "128 × 85 pixels" in wait_for_status(page, "pixels in")


def test_nothing_placed_gets_one_sentence(page):
    open_tab(page, "Harmonise")
    wait(page, "button.run")
    run(page)
    toast = wait(page, ".toast-body")
    WebDriverWait(page, 10).until(lambda _: "Place something" in toast.text, "no sentence")
    assert "Traceback" not in page.page_source


def test_strokes_become_a_picture(page):
    open_tab(page, "Paint")
    canvas = wait(page, ".canvas canvas")
    press(page, "Advanced")
    drag(page, canvas, (0.4, 0.5), (0.6, 0.5))
    wait(page, ".picture-input img", 30)
    run(page)
    assert "128 × 85 pixels" in wait_for_status(page, "pixels in")


@pytest.mark.slow
def test_a_film_plays(page):
    open_tab(page, "Animate")
    wait(page, "button.run")
    run(page)
    assert "60 pictures, 5.0 s of film" in wait_for_status(page, "s of film")
    video = wait(page, ".film video")
    page.execute_script("arguments[0].muted = true; arguments[0].play()", video)
    WebDriverWait(page, 20).until(
        lambda driver: driver.execute_script("return arguments[0].currentTime > 0.2", video)
    )


@pytest.mark.slow
def test_a_training_is_watched_cancelled_resumed_and_used(page, tmp_path):
    open_tab(page, "Train")
    wait(page, "button.run")
    Image.effect_noise((13, 12), 60).convert("RGB").save(tmp_path / "small.png")
    upload(page, tmp_path / "small.png")
    press(page, "Advanced")
    wait(page, "input[aria-label='Iterations']").send_keys("200")
    run(page)
    wait_for_status(page, "Scale 1 of 1")
    wait(page, ".pictures .thumbnail-item, .pictures img")
    wait(page, "button.cancel").click()
    wait_for_status(page, "Cancelled", seconds=5)
    name = wait(page, ".text-result textarea, .text-result input").get_property("value")
    assert name.startswith("trained-")
    run(page)
    assert "A model of 13 × 12 pixels" in wait_for_status(page, "A model of", seconds=120)
    assert wait(page, ".text-result textarea, .text-result input").get_property("value") == name
    assert load(download(page, tmp_path, "*.safetensors")).sizes == [(12, 13)]
    WebDriverWait(page, 10).until(
        lambda _: wait(page, "input[aria-label='Weights']").get_property("value") == "Your own model"
    )
    open_tab(page, "Random samples")
    wait(page, "button.run")
    run(page)
    assert "8 pictures of 13 × 12 pixels" in wait_for_status(page, "pictures of")
