"""A page in headless Chromium, as tests of reports use it."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
_TIMEOUT_S = 20


class Browser:
    """Chromium with one page.

    Attributes:
        driver: Selenium's driver.
    """

    def __init__(self) -> None:
        assert CHROMIUM and DRIVER
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in (
            "headless=new",
            "no-sandbox",
            "disable-dev-shm-usage",
            "disable-gpu",
            "force-prefers-reduced-motion",
        ):
            options.add_argument(f"--{argument}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))

    def open(
        self,
        page: Path,
        *,
        size: tuple[int, int] = (1280, 800),
        dark: bool = False,
        query: str = "",
    ) -> None:
        """Open a page anew, in a window of that width and height."""
        self.driver.get("about:blank")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=size[0],
            height=size[1],
            deviceScaleFactor=1,
            mobile=size[0] < 600,
        )
        self.driver.get(page.resolve().as_uri() + query)

    def command(self, name: str, **parameters: Any) -> Any:
        """Run a command of Chromium's DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what a script returns."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        """Return the first element that a selector names."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def list_texts(self, selector: str) -> list[str]:
        """Return the texts of all elements that a selector names, shown or not."""
        texts: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent.trim())",
            selector,
        )
        return texts

    def list_names(self) -> list[str]:
        """Return the names on the cards."""
        return self.list_texts(".card .name")

    def click(self, selector: str) -> None:
        """Click on an element with the mouse."""
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def choose(self, selector: str, text: str) -> None:
        """Choose the option of a select that has that text."""
        self.run(
            "const [select, text] = arguments;"
            "select.value = [...select.options].find((o) => o.textContent === text).value;"
            "select.dispatchEvent(new Event('change', {bubbles: true}))",
            self.find(selector),
            text,
        )

    def type(self, selector: str, text: str) -> None:
        """Type text into a field."""
        self.find(selector).send_keys(text)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, where the focus is."""
        for key in keys:
            ActionChains(self.driver, duration=0).send_keys(key).perform()

    def drag(self, start: Sequence[float], end: Sequence[float]) -> None:
        """Drag with the mouse from one point of the window to another."""
        steps = (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end))
        for kind, (x, y) in steps:
            self.command(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button="left",
                buttons=1,
                clickCount=1,
            )

    def locate(self, selector: str) -> dict[str, float]:
        """Return left, top, width and height of an element in the window."""
        box: dict[str, float] = self.run(
            "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector
        )
        return box

    def wait(self, script: str) -> None:
        """Wait until a script returns something true."""
        WebDriverWait(self.driver, _TIMEOUT_S, 0.05).until(lambda _: self.run(script))

    def list_errors(self) -> list[str]:
        """Return the errors and warnings on the console since the last call."""
        driver: Any = self.driver  # the method has no types
        return [entry["message"] for entry in driver.get_log("browser")]
