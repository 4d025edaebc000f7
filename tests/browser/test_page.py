"""What a visitor does: upload, upscale, compare, download, cancel, make a mistake."""

import io
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from gan_models.images import decode, read_provenance
from gan_models.images.provenance import write_png
from tests.browser.conftest import requested_urls
from tests.browser.steps import choose, drop_made, open_tab, press, run, send_to, upload, wait, wait_for_status

PHOTO = "examples/super-resolution/cat.png"


@pytest.fixture
def page(app, browser):
    """Open the tab for super-resolution."""
    browser.get(app.url)
    open_tab(browser, "Super-resolution")
    wait(browser, ".picture-input input[type=file]", visible=False)
    return browser


@pytest.fixture
def faces(app, browser):
    """Open the tab for faces."""
    browser.get(app.url)
    open_tab(browser, "Faces")
    wait(browser, "button.run")
    return browser


def test_the_page_comes_up(app, browser):
    started = time.monotonic()
    browser.get(app.url)
    wait(browser, "button.run", 10)
    print(f"page after {time.monotonic() - started:.2f} s")
    titles = [tab.text for tab in browser.find_elements(By.CSS_SELECTOR, "button[role=tab]")]
    assert "Super-resolution" in titles


def test_a_photo_is_enlarged_compared_and_downloaded(app, page, tmp_path):
    upload(page, f"{app.root}/{PHOTO}")
    run(page)
    status = wait_for_status(page, "pixels in")
    assert "800 × 600 pixels" in status
    assert "Compact, faithful" in status

    handle = wait(page, ".before-after [role=slider], .before-after .inner")
    left = handle.rect["x"]
    ActionChains(page).drag_and_drop_by_offset(handle, 80, 0).perform()
    assert wait(page, ".before-after [role=slider], .before-after .inner").rect["x"] > left + 40

    wait(page, ".result-file a[download]").click()
    path = WebDriverWait(page, 20).until(lambda _: next(tmp_path.glob("*.png"), None))
    WebDriverWait(page, 20).until(lambda _: not list(tmp_path.glob("*.crdownload")))
    assert decode(path).shape == (600, 800, 3)
    record = read_provenance(path)
    assert record["weights"] == "sr-psnr-compact"
    assert record["settings"] == {"factor": 4}


def test_a_dropped_result_restores_its_settings(app, page, tmp_path):
    upload(page, f"{app.root}/{PHOTO}")
    choose(page, "×2")
    run(page)
    wait_for_status(page, "400 × 300 pixels")
    wait(page, ".result-file a[download]").click()
    path = WebDriverWait(page, 20).until(lambda _: next(tmp_path.glob("*.png"), None))
    page.refresh()
    open_tab(page, "Super-resolution")
    wait(page, ".picture-input input[type=file]", visible=False)
    assert page.find_element(By.CSS_SELECTOR, "input[type=radio][value='4']").is_selected()
    upload(page, path)
    WebDriverWait(page, 10).until(
        lambda driver: driver.find_element(By.CSS_SELECTOR, "input[type=radio][value='2']").is_selected()
    )


def test_a_long_run_is_cancelled_and_the_next_one_succeeds(app, page, tmp_path):
    Image.effect_noise((1000, 1000), 60).convert("RGB").save(tmp_path / "large.png")
    upload(page, tmp_path / "large.png")
    run(page)
    wait_for_status(page, "left", "Step 2")
    wait(page, "button.cancel").click()
    wait_for_status(page, "Cancelled", seconds=5)
    upload(page, f"{app.root}/{PHOTO}")
    run(page)
    assert "800 × 600 pixels" in wait_for_status(page, "800 × 600 pixels", seconds=20)


def test_a_broken_file_gets_one_sentence(app, page, tmp_path):
    content = io.BytesIO()
    Image.open(f"{app.root}/{PHOTO}").save(content, "JPEG")
    (tmp_path / "broken.jpg").write_bytes(content.getvalue()[:3000])
    upload(page, tmp_path / "broken.jpg")
    run(page)
    toast = wait(page, ".toast-body")
    WebDriverWait(page, 10).until(lambda _: "damaged or cut off" in toast.text, "no sentence in the toast")
    assert "Traceback" not in page.page_source
    assert str(tmp_path) not in page.page_source


def test_the_page_asks_no_host_but_its_own(app, page):
    wait_for_status(page, "Ready")
    time.sleep(2)
    hosts = {urlsplit(url).hostname for url in requested_urls(page) if url.startswith("http")}
    assert hosts == {urlsplit(app.url).hostname}
    problems = [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert problems == []


def test_weights_that_cannot_be_fetched_give_way_to_the_compact_ones(app, page):
    wait(page, "input[aria-label='Weights']").click()
    wait(page, "li[aria-label*='Real-ESRGAN ×4 plus']").click()
    toast = wait(page, ".toast-body")
    WebDriverWait(page, 10).until(lambda _: "“Compact, faithful” is used instead" in toast.text, "no warning")
    assert "offline" in toast.text
    assert wait(page, "input[aria-label='Weights']").get_property("value") == "Compact, faithful"
    assert "Compact, faithful" in page.find_element(By.CSS_SELECTOR, ".badges").text


def test_faces_are_drawn_and_one_is_sent_to_be_enlarged(faces):
    run(faces)
    assert "8 faces of 64 pixels" in wait_for_status(faces, "faces of")
    wait(faces, ".pictures .thumbnail-item")
    faces.find_elements(By.CSS_SELECTOR, ".pictures .thumbnail-item")[2].click()
    send_to(faces, "Super-resolution")
    wait(faces, ".picture-input img[src*='faces-compact-3']")
    run(faces)
    assert "256 × 256 pixels" in wait_for_status(faces, "pixels in")


def test_a_face_that_is_dropped_restores_its_settings(faces, tmp_path):
    write_png(
        tmp_path / "face.png",
        np.zeros((8, 8, 3), np.uint8),
        task="faces",
        model="faces-compact",
        seed=77,
        truncation=0.4,
        noise="none",
    )
    drop_made(faces, tmp_path / "face.png")
    seed = wait(faces, "textarea, input[type=text]")
    WebDriverWait(faces, 10).until(lambda _: seed.get_attribute("value") == "77", "the seed is not restored")
    press(faces, "Advanced")
    assert wait(faces, "input[type=radio][value='none']").is_selected()


def test_a_mixture_restores_its_settings_wherever_the_page_is(page, tmp_path):
    settings = {"content_seed": 31, "style_seed": 32, "crossover": 6, "last_layer": None, "truncation": 0.5}
    settings |= {"task": "faces", "action": "mix", "model": "faces-compact"}
    write_png(tmp_path / "face.png", np.zeros((8, 8, 3), np.uint8), **settings)
    drop_made(page, tmp_path / "face.png")
    open_tab(page, "Mix")  # in the tab of faces, which the page has opened
    number = wait(page, "input[aria-label='Shape from seed']")
    WebDriverWait(page, 10).until(lambda _: number.get_property("value") == "31", "the seed is not restored")
    assert wait(page, "input[aria-label='Colours from seed']").get_property("value") == "32"


def test_what_was_made_elsewhere_is_said_to_restore_nothing(page, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    drop_made(page, tmp_path / "plain.png")
    toast = wait(page, ".toast-body")
    WebDriverWait(page, 10).until(lambda _: "can't be restored here" in toast.text, "no warning")


def test_two_faces_are_mixed(faces):
    open_tab(faces, "Mix")
    wait(faces, "button.run")
    run(faces)
    wait_for_status(faces, "mixture in")
    shown = [e for e in faces.find_elements(By.CSS_SELECTOR, ".pictures .thumbnail-item") if e.is_displayed()]
    assert len(shown) == 3


def test_a_film_plays(faces):
    open_tab(faces, "Interpolate")
    wait(faces, "button.run")
    run(faces)
    wait_for_status(faces, "s of film")
    video = wait(faces, ".film video")
    played = "return arguments[0].readyState >= 2 && arguments[0].videoWidth == 64 && arguments[0].duration"
    assert WebDriverWait(faces, 20).until(lambda driver: driver.execute_script(played, video)) == pytest.approx(
        6, abs=0.2
    )
    faces.execute_script("arguments[0].muted = true; arguments[0].play()", video)
    WebDriverWait(faces, 20).until(
        lambda driver: driver.execute_script("return arguments[0].currentTime > 0.2", video)
    )


def test_a_wrong_seed_gets_one_sentence(faces):
    seed = wait(faces, "textarea, input[type=text]")
    seed.clear()
    seed.send_keys("seven")
    run(faces)
    toast = wait(faces, ".toast-body")
    WebDriverWait(faces, 10).until(lambda _: "“seven” is no seed" in toast.text, "no sentence in the toast")
    assert "Traceback" not in faces.page_source
