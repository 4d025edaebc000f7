"""Serve the app as a visitor gets it, offline, and open it in Chromium."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="session")
def app_url(tmp_path_factory):
    """Yield the address of a fresh, offline app with an empty Hub cache."""
    folder = tmp_path_factory.mktemp("app")
    environment = {
        **os.environ,
        "HF_HOME": str(folder / "hub"),
        "GRADIO_TEMP_DIR": str(folder / "files"),
        "GAN_ATELIER_MAX_RESULT_MEGAPIXELS": "20",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "app.py", "--offline", "--port", "0"]
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _wait_for_address(folder / "log", process)
        finally:
            process.terminate()
            process.wait(20)
    assert "Traceback" not in (folder / "log").read_text(), (folder / "log").read_text()


def _wait_for_address(log: Path, process: subprocess.Popen) -> str:
    for _ in range(600):
        found = re.search(r"running on local URL:\s+(http://\S+)", log.read_text(), re.IGNORECASE)
        if found:
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    pytest.fail(log.read_text())


@pytest.fixture
def browser(tmp_path):
    """Yield a headless Chromium that saves downloads in `tmp_path` and logs its requests."""
    if not (CHROMIUM and DRIVER):
        if os.environ.get("CI"):
            pytest.fail("Chromium and its driver are missing.")
        pytest.skip("Chromium and its driver are not installed.")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
        options.add_argument(argument)
    for argument in ("--disable-background-networking", "--disable-component-update", "--no-first-run"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path)})
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


def requested_urls(driver) -> list[str]:
    """Return the addresses that the page has asked for since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [parameters["request"]["url"] for parameters in sent]
