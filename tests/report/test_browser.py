"""Reports in a browser: what a click, a key and a small screen do."""

from pathlib import Path

import pytest
from report.browser import Browser
from report.conftest import NUM_FRAMES, ODD_NAME, ODD_VALUE, Results
from selenium.webdriver.common.keys import Keys

FIRST_CARD = "#gallery li:first-child .card"
SHOWN = "return document.querySelector('#count').textContent"


def is_open(browser: Browser) -> bool:
    opened: bool = browser.run("return document.querySelector('#viewer').open")
    return opened


def list_panes(browser: Browser) -> list[str]:
    return browser.list_texts(".pane figcaption")


def list_cameras(browser: Browser) -> list[list[float]]:
    """Return left, top and width of each pane's content, as shares of the pane."""
    cameras: list[list[float]] = browser.run(
        "return [...document.querySelectorAll('.stage')].map((stage) => {"
        "  const pane = stage.closest('.pane').getBoundingClientRect();"
        "  const box = stage.getBoundingClientRect();"
        "  return [(box.left - pane.left) / pane.width, (box.top - pane.top) / pane.height,"
        "    box.width / pane.width]; })"
    )
    return cameras


def count_shown_images(browser: Browser) -> int:
    """Return how many images of the viewer were decoded; fail if one could not be."""
    browser.wait("return [...document.querySelectorAll('.stage img')].every((i) => i.complete)")
    widths: list[int] = browser.run(
        "return [...document.querySelectorAll('.stage img')].map((image) => image.naturalWidth)"
    )
    assert all(widths)
    return len(widths)


def test_worst_frames_come_first_and_more_are_added_as_the_page_is_scrolled(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    assert browser.driver.title == f"drivable: {NUM_FRAMES} frames \N{MIDDLE DOT} bddseg"
    assert browser.run(SHOWN) == f"{NUM_FRAMES} frames"
    scores = [float(text) for text in browser.list_texts(".card .numbers span:first-child b")]
    assert scores == sorted(scores)
    assert len(browser.list_names()) < NUM_FRAMES
    browser.run("scrollTo(0, document.body.scrollHeight)")
    browser.wait(f"return document.querySelectorAll('.card').length === {NUM_FRAMES}")
    assert len(set(browser.list_names())) == NUM_FRAMES


def test_frames_are_sorted_by_any_number_and_by_name_in_both_orders(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    browser.choose("#sort", "name")
    names = browser.list_names()
    assert names[1:4] == ["clip-0/f00", "clip-0/f03", "clip-0/f06"]
    browser.click("#order")
    assert browser.list_names()[0] == "clip-2/f56"
    browser.choose("#sort", "changed pixels B")
    changes = browser.run(
        "return [...document.querySelectorAll('.card .numbers span:last-child b')]"
        ".map((each) => Number(each.textContent))"
    )
    assert changes == sorted(changes, reverse=True)
    assert changes[0] > 0


def test_a_part_of_a_name_filters_and_everything_can_be_shown_again(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    browser.type("#search", "CLIP-1/F1")
    assert browser.run(SHOWN) == f"4 of {NUM_FRAMES} frames"
    assert sorted(browser.list_names())[:2] == ["clip-1/f10", "clip-1/f13"]
    browser.type("#search", "nothing")
    assert browser.list_texts(".empty") == ["No frame fits these filters."]
    browser.click("#reset")
    assert browser.run(SHOWN) == f"{NUM_FRAMES} frames"


def test_a_condition_is_chosen_in_its_list_or_by_its_row(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.choose("select[data-name=weather]", "rainy")
    assert browser.run(SHOWN) == f"20 of {NUM_FRAMES} frames"
    night = "[data-condition=timeofday][data-value=night]"
    browser.click(night)
    assert browser.run(SHOWN) == f"10 of {NUM_FRAMES} frames"
    assert browser.find(night).get_attribute("aria-pressed") == "true"
    browser.click(night)
    assert browser.run(SHOWN) == f"20 of {NUM_FRAMES} frames"


def test_a_bar_of_the_histogram_shows_its_frames(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.choose("#quantity", "mean confidence")
    total = browser.run(
        "return [...document.querySelectorAll('.bin button')]"
        ".map((bar) => parseInt(bar.title.split(': ')[1])).reduce((a, b) => a + b)"
    )
    assert total == NUM_FRAMES
    title = browser.find(".bin:last-child button").get_attribute("title")
    number = int(str(title).split(": ")[1].split()[0])
    browser.click(".bin:last-child button")
    assert browser.run(SHOWN) == f"{number} of {NUM_FRAMES} frames"
    assert browser.find(".bin:last-child button").get_attribute("aria-pressed") == "true"
    browser.click("#range")
    assert browser.run(SHOWN) == f"{NUM_FRAMES} frames"


def test_a_card_opens_all_images_of_its_frame(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.choose("#sort", "name")
    browser.click("#gallery li:nth-child(2) .card")
    assert list_panes(browser) == [
        "Frame",
        "Ground truth",
        "Prediction A",
        "Prediction B",
        "Errors A",
        "Errors B",
        "Changes A to B",
        "Confidence A",
    ]
    assert count_shown_images(browser) == 15
    assert browser.list_texts("#viewer-name") == ["clip-0/f00"]
    assert "2 of 60" in browser.list_texts("#viewer-position")[0]
    labels = browser.run(
        "return [...document.querySelectorAll('.pane')].map((p) => p.getAttribute('aria-label'))"
    )
    assert labels[1] == "Ground truth of clip-0/f00"
    legend = browser.list_texts("#viewer-legend span")
    assert "direct" in legend and any("false negative" in each for each in legend)


def test_a_frame_without_an_image_is_shown_by_its_masks(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.choose("#sort", "name")
    browser.click(FIRST_CARD)
    assert browser.list_texts("#viewer-name") == [ODD_NAME.replace("/", "_")]
    assert "Frame" not in list_panes(browser)
    assert count_shown_images(browser) == 7


def test_keys_go_through_the_frames_that_are_listed(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.type("#search", "clip-1/f1")
    browser.choose("#sort", "name")
    browser.run("document.querySelector('.card').focus()")
    browser.press(Keys.ENTER)
    for key, name in (
        (Keys.ARROW_RIGHT, "clip-1/f13"),
        (Keys.END, "clip-1/f19"),
        (Keys.ARROW_RIGHT, "clip-1/f19"),
        (Keys.ARROW_LEFT, "clip-1/f16"),
        (Keys.HOME, "clip-1/f10"),
    ):
        browser.press(key)
        assert browser.list_texts("#viewer-name") == [name]
    browser.press(Keys.ESCAPE)
    assert not is_open(browser)
    browser.wait("return document.activeElement.title === 'clip-1/f10'")


def test_number_keys_show_one_image_and_f_swaps_with_the_one_before(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    browser.click(FIRST_CARD)
    browser.press("3")
    assert list_panes(browser) == ["Prediction A"]
    browser.press("4")
    assert list_panes(browser) == ["Prediction B"]
    browser.press("f")
    assert list_panes(browser) == ["Prediction A"]
    browser.press("f", "a")
    assert len(list_panes(browser)) > 4
    browser.press("?")
    assert browser.find("#keys").is_displayed()


def test_the_mouse_works_as_the_keys_do(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.choose("#sort", "name")
    browser.click(FIRST_CARD)
    browser.click("#next")
    assert browser.list_texts("#viewer-name") == ["clip-0/f00"]
    browser.click("#layer-buttons [data-key=truth]")
    assert list_panes(browser) == ["Ground truth"]
    browser.click("[data-view=all]")
    browser.click("#zoom-in")
    assert browser.list_texts("#zoom-reset") == ["150 %"]
    browser.click("#close")
    assert not is_open(browser)


def test_all_panes_zoom_and_pan_in_step(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.click(FIRST_CARD)
    browser.press("+", "+")
    cameras = list_cameras(browser)
    assert len(cameras) == 8
    for camera in cameras:
        assert camera == pytest.approx([-0.625, -0.625, 2.25], abs=0.01)
    box = browser.locate(".pane:nth-child(2)")
    center = box["left"] + box["width"] / 2, box["top"] + box["height"] / 2
    browser.drag(center, (center[0] + 40, center[1] + 10))
    left, top = -0.625 + 40 / box["width"], -0.625 + 10 / box["height"]
    for camera in list_cameras(browser):
        assert camera == pytest.approx([left, top, 2.25], abs=0.01)
    browser.press("0")
    assert browser.list_texts("#zoom-reset") == ["100 %"]


def test_the_wheel_zooms_at_the_pointer(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.click(FIRST_CARD)
    browser.press("3")
    box = browser.locate(".pane")
    x, y = box["left"] + box["width"] * 0.25, box["top"] + box["height"] * 0.75
    browser.command("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-300)
    browser.wait("return document.querySelector('#zoom-reset').textContent !== '100 %'")
    after = browser.locate(".stage")
    assert (x - after["left"]) / after["width"] == pytest.approx(0.25, abs=0.01)
    assert (y - after["top"]) / after["height"] == pytest.approx(0.75, abs=0.01)


def test_the_slider_shows_two_images_and_moves_by_mouse_and_keys(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    browser.click(FIRST_CARD)
    browser.press("s")
    assert list_panes(browser) == ["Prediction A", "Prediction B"]
    browser.choose("#left", "Ground truth")
    browser.choose("#right", "Errors A")
    assert list_panes(browser) == ["Ground truth", "Errors A"]
    box, handle = browser.locate(".pane"), browser.locate("#divider")
    y = box["top"] + box["height"] / 2
    start = handle["left"] + handle["width"] / 2
    browser.drag((start, y), (box["left"] + box["width"] * 0.8, y))
    get_share = "return Number(document.querySelector('#divider').getAttribute('aria-valuenow'))"
    assert browser.run(get_share) == pytest.approx(80, abs=1)
    assert browser.run("return getComputedStyle(document.querySelectorAll('.half')[1]).clipPath")
    browser.run("document.querySelector('#divider').focus()")
    browser.press(Keys.HOME, Keys.ARROW_RIGHT)
    assert browser.run(get_share) == 2
    assert list_cameras(browser) == [[0, 0, 1], [0, 0, 1]]


def test_masks_are_hidden_by_a_key_and_have_an_opacity(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.click(FIRST_CARD)
    get_opacity = "return getComputedStyle(document.querySelector('.over')).opacity"
    assert browser.run(get_opacity) == "0.6"
    browser.press("o")
    assert browser.run(get_opacity) == "0"
    browser.press("o")
    assert browser.run(get_opacity) == "0.6"


def test_the_address_names_the_frame(browser: Browser, page: Path) -> None:
    browser.open(page, query="#frame=clip-2%2Ff05")
    assert browser.list_texts("#viewer-name") == ["clip-2/f05"]
    browser.press(Keys.ARROW_RIGHT)
    name = browser.list_texts("#viewer-name")[0]
    assert browser.run("return decodeURIComponent(location.hash)") == f"#frame={name}"
    browser.press(Keys.ESCAPE)
    # A dialog closes first, and tells so afterwards.
    browser.wait("return location.hash === ''")


def test_light_and_dark_follow_the_system_and_the_button(browser: Browser, page: Path) -> None:
    get_color = "return getComputedStyle(document.body).backgroundColor"
    browser.open(page)
    light = browser.run(get_color)
    browser.open(page, dark=True)
    dark = browser.run(get_color)
    assert dark != light
    browser.click("#theme")
    assert browser.run(get_color) == light
    browser.driver.refresh()
    assert browser.run(get_color) == light
    browser.run("localStorage.clear()")


def test_arrow_keys_move_between_cards_and_a_slash_goes_to_the_search(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    browser.run("document.querySelectorAll('.card')[1].focus()")
    position = "return [...document.querySelectorAll('.card')].indexOf(document.activeElement)"
    browser.press(Keys.ARROW_LEFT)
    assert browser.run(position) == 0
    browser.press(Keys.ARROW_DOWN)
    assert browser.run(position) > 1
    browser.press("/")
    assert browser.run("return document.activeElement.id") == "search"


def test_names_and_values_are_text_and_never_markup(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run("return document.querySelectorAll('[onerror], main b > b').length") == 0
    browser.choose("#sort", "name")
    assert browser.list_names()[0] == ODD_NAME.replace("/", "_")
    assert ODD_VALUE in browser.list_texts("select[data-name=weather] option")
    values = browser.run(
        "return [...document.querySelectorAll('[data-condition]')].map((e) => e.dataset.value)"
    )
    assert ODD_VALUE in values


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_the_page_without_scrolling_sideways(
    browser: Browser, page: Path, width: int
) -> None:
    browser.open(page, size=(width, 800))
    get_width = "return document.documentElement.scrollWidth"
    assert browser.run(get_width) == width
    browser.click(FIRST_CARD)
    assert browser.run(get_width) == width
    assert browser.find("#close").is_displayed()
    assert browser.locate("#panes")["height"] > 300


def test_everything_that_can_be_clicked_has_a_name_and_images_have_texts(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    browser.click(FIRST_CARD)
    browser.press("s")
    unnamed = browser.run(
        "return [...document.querySelectorAll('button, select, input, [role=slider]')]"
        ".filter((e) => !e.hidden)"
        ".filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length))"
        ".map((e) => e.outerHTML)"
    )
    assert unnamed == []
    texts = browser.run("return [...document.querySelectorAll('.card img')].map((e) => e.alt)")
    assert len(set(texts)) == len(texts)
    assert all(text.startswith("Errors of ") for text in texts)


def test_a_run_is_shown_without_ground_truth(
    browser: Browser, plain_page: Path, results: Results
) -> None:
    browser.open(plain_page)
    assert browser.list_texts("h2")[0] == "Summary"
    assert "Reliability" not in str(browser.find("#confidence").get_attribute("innerHTML"))
    assert browser.list_texts("#sort option") == [
        "mean confidence",
        "area direct",
        "area alternative",
        "name",
    ]
    browser.choose("#sort", "name")
    browser.click("#gallery li:nth-child(2) .card")
    assert list_panes(browser) == ["Frame", "Prediction A", "Confidence A"]
    assert count_shown_images(browser) == 5
    browser.press("s")
    assert list_panes(browser) == ["Frame", "Prediction A"]


def test_images_of_a_folder_are_loaded_when_they_are_seen(
    browser: Browser, plain_page: Path
) -> None:
    browser.open(plain_page)
    loaded = browser.run(
        "return performance.getEntriesByType('resource')"
        ".filter((entry) => entry.name.endsWith('.jpg')).length"
    )
    assert loaded < NUM_FRAMES


def test_frames_without_images_are_listed_on_request_and_do_not_open(
    browser: Browser, short_page: Path
) -> None:
    browser.open(short_page)
    assert browser.run(SHOWN) == f"10 of {NUM_FRAMES} frames"
    browser.click("#with-images")
    assert browser.run(SHOWN) == f"{NUM_FRAMES} frames"
    without = "return document.querySelectorAll('.card:disabled').length"
    assert browser.run(without) > 0
    browser.click(".card:disabled")
    assert not is_open(browser)
    browser.click("#with-images")
    assert browser.run(without) == 0


def test_changes_of_two_results_are_shown_without_ground_truth(
    browser: Browser, short_page: Path
) -> None:
    browser.open(short_page)
    assert "pixels of B that differ from A" in browser.list_texts(".score-card h3")
    changes = [float(text) for text in browser.list_texts(".card .numbers span:first-child b")]
    assert changes == sorted(changes, reverse=True)
    assert browser.list_texts("#gallery-legend span") == ["direct", "alternative"]
    browser.click(FIRST_CARD)
    browser.click("[data-key=changes-B]")
    assert count_shown_images(browser) == 2
    assert browser.list_texts("#viewer-legend span") == [
        "same class",
        "only in A",
        "only in the other",
        "another class",
    ]
