"""Writing reports: what is in the page, what is written, and what is refused."""

import json
import os
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from metrics.helpers import write_record
from report.conftest import NUM_FRAMES, ODD_NAME, Results, draw_road

from bddseg.data.image import read_image_size, write_jpeg
from bddseg.data.mask import write_mask
from bddseg.errors import BddsegError
from bddseg.io.png import read_png_size
from bddseg.metrics.evaluate import evaluate
from bddseg.report.write import ReportOptions, write_report


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Three frames with masks and ground truth, in folders of these names."""
    for number in range(3):
        image = np.full((90, 160, 3), 40 * number, np.uint8)
        write_jpeg(tmp_path / "frames" / f"f{number}.jpg", image)
        write_mask(tmp_path / "truth" / f"f{number}.png", draw_road(number))
        write_mask(tmp_path / "masks" / f"f{number}.png", draw_road(number, 3 * number))
    return tmp_path


def read_data(page: Path) -> dict[str, Any]:
    """Return the data of a page's scripts."""
    found = re.search('<script type="application/json" id="data">(.*?)</script>', page.read_text())
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_numbers_of_each_frame_are_those_of_eval(page: Path, results: Results) -> None:
    data = read_data(page)
    evaluation = evaluate(results.truth, results.second, metrics=["boundary"])
    assert data["names"] == [frame.name for frame in evaluation.frames]
    columns = {column["label"]: column["values"] for column in data["columns"]}
    for number, frame in enumerate(evaluation.frames):
        metric = frame.metrics["standard"].compute()["overall"]["miou_with_background"]
        shown = columns["standard mIoU with background B"][number]
        assert shown == pytest.approx(metric, abs=0.005)
    changes = columns["B - A, standard mIoU with background"]
    first = columns["standard mIoU with background A"]
    second = columns["standard mIoU with background B"]
    assert changes == pytest.approx([b - a for a, b in zip(first, second, strict=True)], abs=0.02)


def test_a_page_has_all_scores_and_notes_and_needs_no_other_file(
    page: Path, results: Results
) -> None:
    text = page.read_text()
    evaluation = evaluate(results.truth, results.first, metrics=["boundary"])
    for score in evaluation.headlines.values():
        assert f"{score:.2f}" in text
    assert "no frame for 1 mask; they are shown without it." in text
    assert "http" not in text.replace("http-equiv", "")
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)
    assert read_data(page)["folder"] is None


def test_odd_names_are_escaped_everywhere(page: Path, results: Results) -> None:
    text = page.read_text()
    assert "<img src=x" not in text
    assert '<b>"foggy' not in text
    assert "results <i>" not in text
    assert "results &lt;i&gt;" in text
    assert ODD_NAME.replace("/", "_") in read_data(page)["names"]


def test_a_folder_has_the_images_of_all_frames(plain_page: Path) -> None:
    data = read_data(plain_page)
    assert data["folder"] == "images"
    files = sorted(path.name for path in plain_page.parent.rglob("*.*"))
    assert "000001-frame.jpg" in files and "000000-frame.jpg" not in files
    assert len(files) == 1 + 4 * NUM_FRAMES - 1


def test_a_file_holds_the_worst_frames_alone_if_there_are_many(small: Path) -> None:
    out = small / "report.html"
    options = ReportOptions(num_images=1)
    summary = write_report([small / "masks"], out, ground_truth=small / "truth", options=options)
    assert (summary.frames, summary.with_images, summary.files) == (3, 1, 1)
    assert summary.size_bytes == out.stat().st_size
    assert any("2 frames without images" in note for note in summary.notes)
    assert [bits > 0 for bits in read_data(out)["present"]] == [False, False, True]


def test_images_are_no_wider_than_asked_for(small: Path) -> None:
    options = ReportOptions(width=40)
    page = write_report(
        [small / "masks"], small / "out", frames=small / "frames", options=options
    ).page
    images = page.parent / "images"
    assert {read_png_size(path) for path in images.rglob("*.png")} == {(22, 40)}
    assert {read_image_size(path) for path in images.rglob("*.jpg")} == {(22, 40)}


def test_masks_of_another_task_are_refused_or_noted_without_ground_truth(small: Path) -> None:
    write_mask(small / "other" / "f1.png", np.full((90, 160), 7, np.uint8))
    with pytest.raises(BddsegError, match="has ids up to 7"):
        write_report([small / "other"], small / "out.html")
    write_mask(small / "other" / "f2.png", draw_road(2))
    summary = write_report([small / "other"], small / "out.html")
    assert any("has ids up to 7" in note for note in summary.notes)


def test_ground_truth_of_three_classes_is_mapped_for_results_of_two(small: Path) -> None:
    for number in range(3):
        labels = (draw_road(number, 3 * number) == 2).astype(np.uint8)
        write_mask(small / "binary" / "masks" / f"f{number}.png", labels)
    write_record(small / "binary", "drivable_binary")
    options = ReportOptions(metrics=["boundary"])
    summary = write_report(
        [small / "binary"], small / "out.html", ground_truth=small / "truth", options=options
    )
    assert any("direct and alternative to drivable" in note for note in summary.notes)
    text = (small / "out.html").read_text()
    evaluation = evaluate(small / "truth", small / "binary")
    assert f"{evaluation.headlines['binary_iou']:.2f}" in text
    with pytest.raises(BddsegError, match=r"the task drivable\..*use -t drivable_binary"):
        write_record(small / "masks", "drivable")
        write_report([small / "masks", small / "binary"], small / "two.html")
    results = [small / "masks", small / "binary"]
    for folder in results:
        (folder / "probabilities").mkdir()
    for number in range(3):
        name = f"f{number}.png"
        (small / "masks" / "masks").mkdir(exist_ok=True)
        (small / "masks" / name).rename(small / "masks" / "masks" / name)
        for folder in results:
            pixels = np.full((90, 160), 60000, np.uint16)
            assert cv2.imwrite(str(folder / "probabilities" / name), pixels)
    page = write_report(results, small / "two.html", task="drivable_binary").page
    # The probabilities of the mapped result are those of other classes.
    labels = [column["label"] for column in read_data(page)["columns"]]
    assert "mean confidence B" in labels
    assert "mean confidence A" not in labels


def test_the_end_of_the_page_says_how_scores_were_computed(small: Path) -> None:
    write_record(small / "masks", weights={"sha256": "ab12"})
    options = ReportOptions(metrics=["boundary"])
    write_report(
        [small / "masks", small / "truth"],
        small / "out.html",
        ground_truth=small / "truth",
        options=options,
    )
    below = (small / "out.html").read_text().partition("How scores were computed")[2]
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td>', below)
    table = {name: re.findall("<code>(.*?)</code>", cells) for name, cells in rows}
    assert table["frames"] == ["3"]
    assert table["weights sha256"] == ["ab12", "unknown"]
    assert table["intervals: resamples"] == ["1000"]
    assert table["metrics: boundary: width"] == ["2 % of the diagonal"]


def test_masks_of_another_size_than_the_frame_are_resized_and_noted(small: Path) -> None:
    write_jpeg(small / "frames" / "f0.jpg", np.zeros((45, 80, 3), np.uint8))
    summary = write_report([small / "masks"], small / "out", frames=small / "frames")
    assert any("f0: the frame and its masks differ in size" in note for note in summary.notes)


def test_a_frame_that_cannot_be_read_is_shown_without_its_image(small: Path) -> None:
    (small / "frames" / "f1.jpg").write_bytes(b"no image")
    summary = write_report([small / "masks"], small / "out.html", frames=small / "frames")
    assert any("f1.jpg cannot be read" in note for note in summary.notes)
    assert read_data(small / "out.html")["present"] == [3, 2, 3]


def test_masks_of_two_results_that_differ_in_size_are_refused(small: Path) -> None:
    write_mask(small / "other" / "f1.png", np.zeros((10, 20), np.uint8))
    with pytest.raises(BddsegError, match=r"f1.png is 20x10, but .*f1.png is 160x90"):
        write_report([small / "masks", small / "other"], small / "out")
    with pytest.raises(BddsegError, match="20x10"):
        write_report([small / "other"], small / "out.html", ground_truth=small / "truth")
    assert not (small / "out").exists() and not (small / "out.html").exists()


def test_results_without_a_common_frame_are_refused(small: Path) -> None:
    write_mask(small / "other" / "g1.png", np.zeros((90, 160), np.uint8))
    with pytest.raises(BddsegError, match=r"No file name in .*other is also in .*masks"):
        write_report([small / "masks", small / "other"], small / "out")


def test_a_folder_without_masks_is_refused(small: Path) -> None:
    with pytest.raises(BddsegError, match="holds no masks"):
        write_report([small / "frames"], small / "out.html")


def test_more_results_than_letters_are_refused(small: Path) -> None:
    with pytest.raises(BddsegError, match="There are 9 results"):
        write_report([small / "masks"] * 9, small / "out.html")


@pytest.mark.parametrize("name", ["masks", "truth/report", "frames/report"])
def test_a_report_in_its_own_input_is_refused(small: Path, name: str) -> None:
    with pytest.raises(BddsegError, match="is an input"):
        write_report(
            [small / "masks"],
            small / name,
            ground_truth=small / "truth",
            frames=small / "frames",
            options=ReportOptions(overwrite=True),
        )


def test_images_do_not_go_into_a_folder_of_frames_with_their_name(small: Path) -> None:
    frames = (small / "frames").rename(small / "images")
    options = ReportOptions(overwrite=True)
    with pytest.raises(BddsegError, match="images is an input"):
        write_report([small / "masks"], small, frames=frames, options=options)
    assert len(list(frames.iterdir())) == 3


def test_the_earlier_page_is_kept_until_images_are_written(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = write_report([small / "masks"], small / "out").page
    mask = small / "masks" / "f2.png"
    content = mask.read_bytes()
    mask.write_bytes(b"no mask")
    options = ReportOptions(overwrite=True)
    with pytest.raises(BddsegError, match=r"f2.png cannot be read"):
        write_report([small / "masks"], small / "out", options=options)
    assert page.exists()
    mask.write_bytes(content)

    def fail(*_: object, **__: object) -> None:
        raise BddsegError("It cannot be drawn.")

    monkeypatch.setattr("bddseg.report.write.draw_frame", fail)
    with pytest.raises(BddsegError, match="cannot be drawn"):
        write_report([small / "masks"], small / "out", options=options)
    assert not page.exists()


def test_an_existing_report_is_replaced_only_if_asked_for(small: Path) -> None:
    for out in (small / "out", small / "out.html"):
        write_report([small / "masks"], out)
        with pytest.raises(BddsegError, match="exists already"):
            write_report([small / "masks"], out)
        write_report([small / "masks"], out, options=ReportOptions(overwrite=True))


def test_images_of_an_earlier_report_with_more_frames_are_removed(small: Path) -> None:
    out = small / "out"
    write_report([small / "masks"], out, frames=small / "frames")
    before = {path.name for path in out.rglob("*.*")}
    (small / "masks" / "f2.png").unlink()
    (out / "images" / "notes.txt").write_text("mine")
    options = ReportOptions(overwrite=True)
    write_report([small / "masks"], out, frames=small / "frames", options=options)
    after = {path.name for path in out.rglob("*.*")}
    assert after < before | {"notes.txt"}
    assert {name[:6] for name in after} == {"000000", "000001", "index.", "notes."}


def test_frames_and_masks_in_one_folder(small: Path) -> None:
    for frame in (small / "frames").iterdir():
        frame.rename(small / "masks" / frame.name)
    page = write_report([small / "masks"], small / "out.html", frames=small / "masks").page
    assert next(layer["key"] for layer in read_data(page)["layers"]) == "frame"


def test_masks_given_as_frames_are_refused(small: Path) -> None:
    with pytest.raises(BddsegError, match="masks holds no images but labels"):
        write_report([small / "masks"], small / "out.html", frames=small / "masks")


def test_a_page_over_a_mask_is_refused(small: Path) -> None:
    out = small / "out.html"
    os.link(small / "masks" / "f0.png", out)
    with pytest.raises(BddsegError, match="is an input and would be overwritten"):
        write_report([small / "masks"], out, options=ReportOptions(overwrite=True))


def test_names_that_are_no_utf8_do_not_stop_a_report(small: Path) -> None:
    mask = (small / "masks" / "f0.png").read_bytes()
    Path(os.fsdecode(os.fsencode(small / "masks") + b"/bad\xff.png")).write_bytes(mask)
    write_report([small / "masks"], small / "out.html")
    assert "bad\\xff" in read_data(small / "out.html")["names"]


def test_attributes_of_other_frames_are_refused(small: Path) -> None:
    attributes = small / "labels.json"
    attributes.write_text(json.dumps([{"name": "x.jpg", "attributes": {"weather": "clear"}}]))
    with pytest.raises(BddsegError, match="has no attributes of these frames"):
        write_report(
            [small / "masks"],
            small / "out.html",
            ground_truth=small / "truth",
            options=ReportOptions(attributes=attributes),
        )


def test_the_same_masks_give_the_same_page(small: Path) -> None:
    pages = []
    for name in ("one.html", "two.html"):
        write_report([small / "masks"], small / name, ground_truth=small / "truth")
        pages.append((small / name).read_bytes())
    assert pages[0] == pages[1]
