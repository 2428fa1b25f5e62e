"""Results to report on, and reports of them: made once, as tests only read them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from metrics.helpers import write_record
from report.browser import CHROMIUM, DRIVER, Browser
from selenium.common import WebDriverException

from bddseg.data.image import write_jpeg
from bddseg.data.mask import write_mask
from bddseg.report.write import ReportOptions, write_report
from bddseg.types import LabelMap

NUM_FRAMES = 60
# What no page may take for markup.
ODD_NAME = "<img src=x onerror=alert(1)>\"'&amp;</script>"
ODD_VALUE = '<b>"foggy"</b>'


class Results(NamedTuple):
    """Folders of frames, ground truth and two results, and the file of attributes."""

    frames: Path
    truth: Path
    first: Path
    second: Path
    attributes: Path


def draw_road(number: int, shift: int = 0) -> LabelMap:
    """Return a label map, (90, 160): two lanes whose width depends on the number of the frame."""
    labels = np.full((90, 160), 2, np.uint8)
    left = 20 + shift
    labels[40:, left : left + 40 + number // 2] = 0
    labels[50:, left + 45 + number // 2 : left + 90] = 1
    return labels


def list_names() -> list[str]:
    """Return the names of the frames, of which the last is odd."""
    names = [f"clip-{number % 3}/f{number:02}" for number in range(NUM_FRAMES - 1)]
    return sorted([*names, ODD_NAME.replace("/", "_")], key=lambda name: name.split("/"))


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Results of a run with probabilities, and masks that are worse; one frame lacks its image."""
    root = tmp_path_factory.mktemp("results <i>")
    found = Results(
        root / "frames", root / "truth", root / "run", root / "second", root / "labels.json"
    )
    write_record(found.first)
    rng = np.random.default_rng(0)
    described = []
    for number, name in enumerate(list_names()):
        image = cv2.resize(rng.integers(0, 256, (9, 16, 3), dtype=np.uint8), (160, 90))
        if number:
            write_jpeg(found.frames / f"{name}.jpg", image.astype(np.uint8, copy=False))
        write_mask(found.truth / f"{name}.png", draw_road(number))
        write_mask(found.first / "masks" / f"{name}.png", draw_road(number, number % 7))
        write_mask(found.second / f"{name}.png", draw_road(number, 2 * (number % 11)))
        probabilities = np.full((90, 160), 65535 - 500 * number, np.uint16)
        path = found.first / "probabilities" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), probabilities)
        weather = ("clear", "rainy", ODD_VALUE)[number % 3]
        values = {"weather": weather, "timeofday": "night" if number % 2 else "daytime"}
        described.append({"name": f"{name}.jpg", "attributes": values})
    found.attributes.write_text(json.dumps(described))
    return found


@pytest.fixture(scope="session")
def page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in one file: ground truth, two results, conditions, confidence."""
    out = tmp_path_factory.mktemp("page") / "report.html"
    options = ReportOptions(attributes=results.attributes, metrics=["boundary"])
    write_report(
        [results.first, results.second],
        out,
        ground_truth=results.truth,
        frames=results.frames,
        options=options,
    )
    return out


@pytest.fixture(scope="session")
def plain_page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in a folder, without ground truth, of a run alone."""
    out = tmp_path_factory.mktemp("folder") / "report"
    return write_report([results.first], out, frames=results.frames).page


@pytest.fixture(scope="session")
def short_page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in one file, without ground truth, of two results; ten frames have images."""
    out = tmp_path_factory.mktemp("short") / "report.html"
    options = ReportOptions(num_images=10)
    write_report([results.first, results.second], out, frames=results.frames, options=options)
    return out


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of all tests."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs Chromium and its driver: make browser")
    try:
        browser = Browser()
    except WebDriverException as error:
        pytest.skip(f"Chromium does not start here: {error.msg}")
    yield browser
    browser.driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser; a test fails if the console shows errors."""
    chromium.list_errors()
    yield chromium
    assert chromium.list_errors() == []
