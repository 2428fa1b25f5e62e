"""Live runs: what they write, drop, count and refuse."""

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_servers import MjpegServer, draw_number, read_number

import bddseg
from bddseg.data.image import read_image
from bddseg.data.mask import read_mask
from bddseg.data.sources.source import LiveOptions, Selection
from bddseg.errors import BddsegError
from bddseg.inference.live.run import LiveRun
from bddseg.inference.prediction import Prediction
from bddseg.inference.predictor import load_model
from bddseg.inference.run import Execution, Launch, RunSpec
from bddseg.types import Image
from bddseg.zoo.catalog import find_entry

pytest.importorskip("av", reason="needs the video extra")

pytestmark = pytest.mark.timeout(60)


class RecordingViewer:
    """A viewer that keeps what it shows, and can be slow; it is closed at a count."""

    def __init__(self, pause_s: float = 0.0, close_after: int = 1_000_000) -> None:
        self.names: list[str] = []
        self.times: list[float | None] = []
        self.closed = 0
        self._pause_s = pause_s
        self._close_after = close_after

    @property
    def is_closed(self) -> bool:
        return len(self.names) >= self._close_after

    def show(self, prediction: Prediction) -> None:
        self.names.append(prediction.name)
        self.times.append(prediction.time)
        prediction.overlay()
        time.sleep(self._pause_s)

    def close(self) -> None:
        self.closed += 1


def make_spec(
    model: Path, source: str, out: Path, limit: int | None = None, **settings: object
) -> RunSpec:
    entry = find_entry(model)
    live = LiveOptions(timeout_s=5.0, max_reconnects=1)
    values: dict[str, Any] = {"formats": ("mask", "overlay", "rle")} | settings
    return RunSpec(
        entry=entry,
        weights=model.with_name("tiny.pth"),
        source=source,
        selection=Selection(limit=limit, live=live),
        out=out,
        **values,
    )


def test_frames_that_come_while_the_network_is_busy_are_dropped_and_counted(
    tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    viewer = RecordingViewer(pause_s=0.1)
    with MjpegServer(rate=50) as server:
        run = LiveRun(make_spec(tiny, server.url, out, limit=6))
        run.run([viewer])
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["done"] == len(viewer.names) == 6
    assert record["frames"] == record["done"] + record["dropped"]
    assert record["dropped"] >= 10
    assert 0 < record["latency_ms"]["p50"] <= record["latency_ms"]["p99"]
    assert viewer.closed == 1
    rows = list(csv.DictReader((out / "frames.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == viewer.names
    times = [float(row["time"]) for row in rows]
    assert times == sorted(times)
    assert abs(times[-1] - time.time()) < 30
    assert times == [round(each, 3) for each in viewer.times if each is not None]
    for name in viewer.names:
        assert read_mask(out / "masks" / f"{name}.png").shape == (48, 128)
        # No frame is dropped on the way to us: its number is the one it was sent with.
        overlay = read_image(out / "overlays" / f"{name}.jpg")
        assert read_number(overlay) == int(name)
    joined = json.loads((out / "drivable.json").read_text())
    assert len(joined["frames"] if isinstance(joined, dict) else joined) == 6


def test_masks_are_what_the_model_says_of_the_frame(tiny: Path, tmp_path: Path) -> None:
    with MjpegServer() as server:
        run = LiveRun(make_spec(tiny, server.url, tmp_path / "out", limit=1, formats=("mask",)))
        run.run()
        frames = load_model(tiny).stream(server.url, selection=Selection(limit=1))
        (prediction,) = frames
    (mask,) = (tmp_path / "out" / "masks").iterdir()
    assert np.array_equal(read_mask(mask), prediction.labels)


def test_a_viewer_that_is_closed_ends_the_run(tiny: Path, tmp_path: Path) -> None:
    viewer = RecordingViewer(close_after=3)
    with MjpegServer() as server:
        run = LiveRun(make_spec(tiny, server.url, tmp_path / "out", formats=()))
        run.run([viewer])
    assert run.record.done == 3
    assert run.record.status == "finished"
    assert not (tmp_path / "out").exists()


def test_any_source_can_be_shown(tiny: Path, frames: Path, tmp_path: Path) -> None:
    viewer = RecordingViewer()
    run = LiveRun(make_spec(tiny, str(frames), tmp_path / "out", formats=()))
    run.run([viewer])
    assert len(viewer.names) == run.record.frames == 5
    assert run.record.dropped == 0


def test_a_source_that_ends_for_good_fails_the_run_after_its_results(
    tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with (
        MjpegServer(rate=20, end=3) as server,
        pytest.raises(BddsegError, match="stopped sending frames, and 1 attempt"),
    ):
        LiveRun(make_spec(tiny, server.url, out, formats=("mask",))).run()
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "failed"
    assert "stopped sending frames" in record["error"]
    assert record["done"] + record["dropped"] == record["frames"] == 3
    assert len(list((out / "masks").iterdir())) == record["done"] > 0


def test_a_live_run_is_not_resumed(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with MjpegServer() as server:
        LiveRun(make_spec(tiny, server.url, out, limit=2)).run()
        with pytest.raises(BddsegError, match="a live run cannot be resumed"):
            LiveRun(make_spec(tiny, server.url, out, limit=2)).run()
        run = LiveRun(make_spec(tiny, server.url, out, limit=1, overwrite=True))
        run.run()
    assert run.record.done == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"launch": Launch(num_workers=2)}, "needs one process, and this one has 2 workers"),
        ({"formats": ("video",)}, "'video' reads the frames again"),
        ({"execution": Execution(smooth=0)}, "--smooth is the weight"),
    ],
)
def test_what_a_live_run_cannot_do_is_refused(
    tiny: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(BddsegError, match=said):
        LiveRun(make_spec(tiny, "http://127.0.0.1:9/", tmp_path / "out", **settings))


def test_results_of_a_source_that_is_not_live_are_shown_or_written(
    tiny: Path, frames: Path, tmp_path: Path
) -> None:
    with pytest.raises(BddsegError, match="is not live, and its results are either shown"):
        LiveRun(make_spec(tiny, str(frames), tmp_path / "out"))


def test_a_password_is_in_no_record(tiny: Path, tmp_path: Path) -> None:
    with MjpegServer() as server:
        url = server.url.replace("http://", "http://me:secret@")
        record = bddseg.infer(tiny, url, tmp_path / "out", limit=1)
    assert record
    assert record.arguments["source"] == server.url.replace("http://", "http://***@")
    assert "secret" not in (tmp_path / "out" / "run.json").read_text()


def test_predictions_of_a_live_source_have_its_time_and_their_latency(tiny: Path) -> None:
    model = load_model(tiny)
    with MjpegServer(rate=20) as server:
        started = time.time()
        pairs = []
        for prediction in model.stream(server.url, selection=Selection(limit=5)):
            assert prediction.time is not None
            assert prediction.latency_ms is not None
            age_ms = 1000 * (time.time() - prediction.time)
            # The clock of the time can be set while the test runs; not so often.
            assert 0 < prediction.latency_ms <= age_ms + 1
            assert age_ms - prediction.latency_ms < 1000
            pairs.append((started, prediction.time))
            started = prediction.time
    assert len(pairs) == 5
    assert all(before < after for before, after in pairs)
    (still,) = model.stream([draw_number(0)])
    assert (still.time, still.latency_ms) == (None, None)


def test_a_generator_can_be_a_live_source_of_the_api(tiny: Path) -> None:
    def generate() -> Iterator[Image]:
        for number in range(40):
            yield draw_number(number)
            time.sleep(0.01)

    model = load_model(tiny)
    names = []
    for prediction in model.stream(generate(), drop=True):
        assert prediction.image is not None
        assert read_number(prediction.image) == int(prediction.name)
        assert prediction.time is not None
        names.append(prediction.name)
        time.sleep(0.1)
    assert 2 <= len(names) < 20
    assert names == sorted(names)
    everything = [each.name for each in model.stream(draw_number(n) for n in range(3))]
    assert everything == ["000000", "000001", "000002"]
