"""What a visitor does in the training lab."""

import io
import re
import time
import zipfile

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from gan_models.classic.model import load, save
from gan_models.classic.network import DCGANGenerator
from tests.browser.steps import open_tab, run, wait, wait_for_status
from tests.browser.test_faces import set_number


@pytest.fixture
def lab(app, browser):
    browser.get(app.url)
    wait(browser, "button.run")
    open_tab(browser, "Training lab")
    return browser


def press(page, text):
    buttons = page.find_elements(By.CSS_SELECTOR, "button")
    next(button for button in buttons if button.is_displayed() and button.text.startswith(text)).click()


def field(page, label):
    """Return what is written in a field."""
    path = f"//label[.//span[normalize-space()='{label}']]//*[self::textarea or self::input]"
    return next(field.get_property("value") for field in page.find_elements(By.XPATH, path) if field.is_displayed())


@pytest.fixture
def archive(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as target:
        for number in range(200):
            stream = io.BytesIO()
            picture = np.full((40, 40, 3), 255, np.uint8)
            picture[8:32, 8:32] = rng.integers(0, 200, 3)
            Image.fromarray(picture).save(stream, "PNG")
            target.writestr(f"{number}.png", stream.getvalue())
    return path


def test_points_are_learned_before_ones_eyes(lab):
    set_number(lab, "Steps", 120)
    run(lab)
    wait_for_status(lab, "discriminator ")
    assert "of 8 modes" in wait_for_status(lab, "near one, in")
    shown = [image for image in lab.find_elements(By.CSS_SELECTOR, ".curves img") if image.is_displayed()]
    assert shown, "no curves are shown"


def reached(page, steps):
    """Return the step of so many that a training is at."""
    return int(re.search(r"Step (\d+)", wait_for_status(page, f" of {steps} "))[1])


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 60])
def test_a_visitors_pictures_are_learned_and_others_get_their_turn(lab, app, archive, tmp_path, seconds):
    open_tab(lab, "Pictures")
    fields = lab.find_elements(By.CSS_SELECTOR, ".dataset-input input[type=file]")
    fields[-1].send_keys(str(archive))
    wait(lab, ".dataset-input .file-preview, .dataset-input table")
    set_number(lab, "Steps", 20_000)
    press(lab, "Advanced")
    run(lab)
    begun = reached(lab, 20_000)
    picture = handle_file(app.root / "examples" / "pictures" / "round.png")
    enlarged = Client(app.url, verbose=False).predict(image=picture, api_name="/upscale")
    assert enlarged
    assert begun <= reached(lab, 20_000) < 20_000, "another visitor has waited for the training"
    open_tab(lab, "Two lines")
    wait(lab, "button.primary")
    open_tab(lab, "Pictures")
    assert begun < reached(lab, 20_000) < 20_000, "the page has waited for the training"
    wait(lab, ".result-file a[download]")
    time.sleep(seconds)
    done = reached(lab, 20_000)
    press(lab, "Cancel")
    wait_for_status(lab, "Cancelled.")
    name = field(lab, "Model")
    assert name.startswith("trained-")
    assert field(lab, "Go on with") == name

    wait(lab, ".result-file a[download]").click()
    file = WebDriverWait(lab, 30).until(lambda _: next(tmp_path.glob("*.safetensors"), None), "no download")
    assert load(file)[0].z_dim == 128
    open_tab(lab, "Generate")
    run(lab)
    assert "your own model" in wait_for_status(lab, "16 pictures of 32 pixels")

    open_tab(lab, "Pictures")
    set_number(lab, "Steps", done + 20)
    run(lab)
    assert reached(lab, done + 20) > done, "it begins anew"
    assert "180 pictures of 32 pixels learned" in wait_for_status(lab, "held out", seconds=120)
    assert field(lab, "Model") == name, "another training was begun"
    message = "Run would go on with what has come to its end"
    WebDriverWait(lab, 30).until(lambda _: field(lab, "Go on with") == "", message)


def test_a_model_that_is_brought_back_draws_its_kinds(lab, tmp_path):
    config = {"z_dim": 6, "side": 16, "width": 4, "classes": 2}
    path = save(DCGANGenerator(**config).eval(), config, ("cat", "dog"), tmp_path / "brought.safetensors")
    open_tab(lab, "Pictures")
    place = "//*[contains(@class, 'block')][.//label[contains(., 'Bring a model back')]]//input[@type='file']"
    lab.find_element(By.XPATH, place).send_keys(path)
    open_tab(lab, "Generate")
    wait(lab, "input[aria-label='Kind']")
    run(lab)
    assert "your own model" in wait_for_status(lab, "16 pictures of 16 pixels")
    captions = [found.text for found in lab.find_elements(By.CSS_SELECTOR, ".pictures .caption-label")]
    assert captions[:3] == ["Seed 1, cat", "Seed 2, dog", "Seed 3, cat"]
