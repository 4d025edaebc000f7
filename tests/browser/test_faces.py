"""What a visitor does with faces: edits one, projects a photo, draws a mask, sends latents on."""

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.steps import open_tab, press, run, send_to, upload, wait, wait_for_status


@pytest.fixture
def page(app, browser):
    browser.get(app.url)
    wait(browser, "button.run")
    return browser


@pytest.fixture
def inversion(app, page):
    """Open the tab with a photo in it, and few steps."""
    open_tab(page, "Face inversion")
    wait(page, ".picture-input input[type=file]", visible=False)
    upload(page, app.root / "examples/face-inversion/astronaut.jpg")
    set_number(page, "Steps", 12)
    return page


def set_number(browser, label, value):
    """Type into the number beside the slider `label`."""
    path = f"//input[@type='number' and starts-with(@aria-label, 'number input for {label}')]"
    fields = [field for field in browser.find_elements(By.XPATH, path) if field.is_displayed()]
    fields[0].send_keys(Keys.CONTROL, "a")
    fields[0].send_keys(str(value), Keys.TAB)


def test_a_slider_edits_a_face(page):
    open_tab(page, "Edit")
    set_number(page, "Smile", 2)
    run(page)
    assert "Compact faces" in wait_for_status(page, "An edited face in")
    assert wait(page, ".before-after [role=slider], .before-after .inner").is_displayed()
    wait(page, ".status summary").click()
    settings = wait(page, ".status pre").text
    assert "smile" in settings
    assert "age" not in settings.split("edits")[1].split("}")[0]  # which was left where it was


def test_a_photo_is_projected_and_its_latents_are_edited(inversion):
    run(inversion)
    status = wait_for_status(inversion, "one face found")
    assert status.startswith("Distance")
    assert "Compact faces" in status
    wait(inversion, ".curves img")
    wait(inversion, ".film video")
    send_to(inversion, "Edit it in Faces")
    WebDriverWait(inversion, 20).until(lambda _: wait(inversion, ".latents-input").text.find("safetensors") >= 0)
    set_number(inversion, "Age", 2)
    run(inversion)
    wait_for_status(inversion, "An edited face in")


@pytest.mark.slow
def test_a_mask_is_drawn_and_the_face_mended(inversion):
    open_tab(inversion, "Inpaint")
    press(inversion, "Or bring a mask")
    canvas = wait(inversion, ".mask-canvas canvas")
    wait(inversion, ".mask-canvas [aria-label='Brush']", visible=False)
    inversion.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    strokes = ActionChains(inversion).move_to_element_with_offset(canvas, -30, -60).click_and_hold()
    strokes.move_by_offset(60, 0).move_by_offset(0, 20).release().perform()
    WebDriverWait(inversion, 20).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, ".mask img[src*='mask']"), "no mask was drawn"
    )
    set_number(inversion, "Steps", 6)
    run(inversion)
    assert "found by" in wait_for_status(inversion, "one face found")


def test_an_inversion_is_cancelled(inversion):
    set_number(inversion, "Steps", 2000)
    run(inversion)
    wait_for_status(inversion, "distance")
    wait(inversion, "button.cancel").click()
    WebDriverWait(inversion, 5).until(
        lambda _: wait_for_status(inversion, "Cancelled", seconds=5) == "Cancelled.", "the status says something else"
    )
    set_number(inversion, "Steps", 6)
    run(inversion)
    assert "Distance" in wait_for_status(inversion, "one face found")  # the lane is free again


def test_a_picture_without_a_face_gets_one_sentence_and_a_way_on(app, page):
    open_tab(page, "Face inversion")
    wait(page, ".picture-input input[type=file]", visible=False)
    upload(page, app.root / "examples/deblurring/coffee.jpg")
    run(page)
    toast = wait(page, ".toast-body, .toast-wrap")
    WebDriverWait(page, 20).until(lambda _: "No face was found" in toast.text)
    assert "middle" in toast.text


def test_a_face_is_aligned(inversion):
    open_tab(inversion, "Align")
    run(inversion)
    assert "113 × 113" in wait_for_status(inversion, "pixels in")
    send_to(inversion, "Super-resolution")
    WebDriverWait(inversion, 20).until(lambda _: wait(inversion, ".picture-input img[src*='face-inversion']"))


def test_moving_a_control_asks_for_it(page):
    open_tab(page, "Face control")
    set_number(page, "Age", 70)
    run(page)
    assert "(asked: 70)" in wait_for_status(page, "A face in which we measure age")
    assert wait(page, ".before-after [role=slider], .before-after .inner").is_displayed()
    boxes = [box for box in page.find_elements(By.CSS_SELECTOR, "input[type=checkbox]") if box.is_displayed()]
    assert [box.is_selected() for box in boxes] == [True, *[False] * (len(boxes) - 1)]
