"""What visitors do in the page, for the tests to call."""

from pathlib import Path

from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait


def open_tab(browser, name):
    def press(driver):
        tabs = driver.find_elements(By.CSS_SELECTOR, "button[role=tab]")
        return next((tab.click() or True for tab in tabs if tab.text == name and tab.is_displayed()), None)

    WebDriverWait(browser, 30).until(press, f"no tab {name}")


def wait(browser, selector, seconds=30, visible=True):
    def find(driver):
        found = driver.find_elements(By.CSS_SELECTOR, selector)
        return next((element for element in found if not visible or element.is_displayed()), None)

    return WebDriverWait(browser, seconds, 0.05).until(find, selector)


def wait_for_status(browser, *words, seconds=60):
    def read(driver):
        texts = [
            element.text for element in driver.find_elements(By.CSS_SELECTOR, ".status") if element.is_displayed()
        ]
        return next((text for text in texts if any(word in text for word in words)), None)

    return WebDriverWait(browser, seconds, 0.05).until(read, f"no status with {words}")


def upload(browser, path):
    buttons = browser.find_elements(By.CSS_SELECTOR, ".picture-input button[aria-label='Clear']")
    for button in [button for button in buttons if button.is_displayed()]:
        button.click()
    area = wait(browser, ".picture-input")
    WebDriverWait(browser, 10).until(lambda _: area.find_elements(By.CSS_SELECTOR, "input[type=file]"))
    area.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(path))
    wait(browser, f".picture-input img[src*='{Path(path).name}']")


def drop_made(browser, path):
    """Drop a picture or a video on the place for those made here, which is folded away."""
    if not any(area.is_displayed() for area in browser.find_elements(By.CSS_SELECTOR, ".made-here")):
        press(browser, "Restore the settings of a result")
    area = wait(browser, ".made-here")
    for button in area.find_elements(
        By.CSS_SELECTOR, "button[aria-label='Clear'], button[aria-label='Remove this file']"
    ):
        button.click()
    area.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(path))


def press(browser, text):
    """Press the button, or open the panel, whose text begins so."""
    buttons = browser.find_elements(By.CSS_SELECTOR, "button")
    button = next(button for button in buttons if button.is_displayed() and button.text.startswith(text))
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def run(browser):
    """Press the Run button of the tab that is open."""
    wait(browser, "button.run").click()


def choose(browser, label):
    browser.find_element(By.XPATH, f"//label[normalize-space()='{label}']").click()


def send_to(browser, name):
    """Choose `name` in the menu under the result that is seen."""
    menu = wait(browser, ".send input")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", menu)
    menu.click()
    wait(browser, f"[role=listbox] [aria-label='{name}']").click()
