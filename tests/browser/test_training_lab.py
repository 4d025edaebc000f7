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

from tests.browser.steps import open_tab, run, wait, wait_for_status
from tests.browser.test_faces import set_number


@pytest.fixture
def lab(app, browser):
    browser.get(app.url)
    wait(browser, "button.run")
    open_tab(browser, "Training lab")
    return browser


def own_name(page):
    fields = page.find_elements(By.CSS_SELECTOR, ".own-name textarea, .own-name input")
    return next(field.get_property("value") for field in fields if field.is_displayed())


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
    set_number(lab, "Steps", 300)
    run(lab)
    wait_for_status(lab, "discriminator ")
    assert "of 8 modes" in wait_for_status(lab, "near one, in")
    shown = [image for image in lab.find_elements(By.CSS_SELECTOR, ".curves img") if image.is_displayed()]
    assert shown, "no curves are shown"


@pytest.mark.parametrize("seconds", [0, pytest.param(60, marks=pytest.mark.slow)])
def test_a_visitors_pictures_are_learned_and_others_get_their_turn(lab, app, archive, seconds):
    open_tab(lab, "Pictures")
    fields = lab.find_elements(By.CSS_SELECTOR, ".dataset input[type=file]")
    fields[-1].send_keys(str(archive))
    wait(lab, ".dataset .file-preview, .dataset table")
    set_number(lab, "Steps", 20_000)
    run(lab)
    wait_for_status(lab, "generator ")
    picture = handle_file(app.root / "examples" / "pictures" / "round.png")
    enlarged = Client(app.url, verbose=False).predict(image=picture, api_name="/upscale")
    assert enlarged, "another visitor has to wait for the training"
    wait(lab, ".pictures img")
    time.sleep(seconds)
    done = int(re.search(r"Step (\d+) of", wait_for_status(lab, "Step "))[1])
    next(button for button in lab.find_elements(By.CSS_SELECTOR, "button.cancel") if button.is_displayed()).click()
    wait_for_status(lab, "Cancelled.")
    name = own_name(lab)
    assert name.startswith("trained-")
    set_number(lab, "Steps", done + 50)
    run(lab)
    assert "learned by dcgan" in wait_for_status(lab, "pictures of 32 pixels", seconds=120)
    assert own_name(lab) == name, "another training was begun"
    links = [link for link in lab.find_elements(By.CSS_SELECTOR, ".result-file a[download]") if link.is_displayed()]
    assert links, "the model can't be downloaded"
    open_tab(lab, "Draw")
    run(lab)
    assert "your own model" in wait_for_status(lab, "16 pictures of 32 pixels")
