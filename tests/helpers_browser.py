"""A headless Chromium that opens pages from disk, and what it says of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = (1280, 900), (390, 844)
SCHEMES = ("light", "dark")


class Browser:
    """One window of it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, page: str, folder: Path) -> None:
        """Opens a page from a file of its own, with an empty log."""
        file = folder / "page.html"
        file.write_text(page, encoding="utf-8")
        self.url = file.as_uri()
        self._log("browser")
        self._log("performance")
        self.driver.get(self.url)

    def look(self, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> None:
        """Has a screen of that size that prefers that colour scheme."""
        screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def one(self, selector: str) -> WebElement:
        """The first element that matches."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """Every element that matches."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """The texts of all that match, to the letter."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
        return list(self.run(script, selector))

    def until(self, script: str) -> None:
        """Waits until the script returns something true."""
        WebDriverWait(self.driver, 20, poll_frequency=0.02).until(lambda _: self.run(script))

    def complaints(self) -> list[str]:
        """What the console said, what was asked of a network, and every dialog, since the page was opened."""
        said = [entry["message"] for entry in self._log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        messages = [json.loads(one["message"])["message"] for one in self._log("performance")]
        asked = [one["params"]["request"]["url"] for one in messages if one["method"].endswith("WillBeSent")]
        said += [url for url in asked if url != self.url and not url.startswith("data:")]
        return said + [one["method"] for one in messages if "Dialog" in one["method"]]

    def _log(self, name: str) -> list[Any]:
        return list(self.driver.get_log(name))  # type: ignore[no-untyped-call]


@contextmanager
def started(profile: Path) -> Iterator[Browser]:
    """A browser with an empty profile; skips the test where there is none, but fails it in CI."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        if os.environ.get("CI"):
            pytest.fail("no chromium and chromedriver, which CI must have")
        pytest.skip("no chromium and chromedriver: pages are not looked at")
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.unhandled_prompt_behavior = "ignore"
    driver = webdriver.Chrome(options=options, service=Service(executable_path=programs[1]))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
