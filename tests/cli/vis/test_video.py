"""`bddseg vis video`."""

import json
from pathlib import Path

import pytest
from support import Run

av = pytest.importorskip("av", reason="needs the video extra")


def run_video(run: Run, root: Path, *options: object) -> tuple[int, str, str]:
    folders = ("-i", root / "frames", "-r", root / "masks", "-o", root / "v.mp4")
    return run("vis", "video", *folders, *options)


def test_a_video_is_written_as_the_options_say(run: Run, drive: Path) -> None:
    code, out, _ = run_video(run, drive, "--side-by-side", "--fps", 12.5, "--legend", "-n", 5)
    assert (code, out.strip()) == (0, f"5 frames written to {drive / 'v.mp4'}.")
    with av.open(str(drive / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == 12.5
        assert (stream.width, stream.height) == (640, 180)
        assert len(list(container.decode(video=0))) == 5


def test_frames_that_cannot_be_shown_are_named(run: Run, drive: Path) -> None:
    (drive / "masks" / "000003.png").unlink()
    (drive / "frames" / "000004.jpg").write_text("broken")
    code, out, err = run_video(run, drive, "--json")
    assert code == 1
    document = json.loads(out)
    assert (document["drawn"], len(document["failed"]), len(document["unpaired"])) == (8, 1, 1)
    assert "000004.jpg" in err
    assert "1 frame without a mask, such as" in err


def test_other_file_types_are_refused(run: Run, drive: Path) -> None:
    code, _, err = run_video(run, drive, "-o", drive / "v.gif")
    assert code == 1
    assert "v.gif is not an MP4 file" in err


@pytest.mark.parametrize("fps", ["nan", "inf", "1e300"])
def test_a_frame_rate_that_is_none_is_wrong_usage(fps: str, run: Run, drive: Path) -> None:
    command = ("vis", "video", "-i", drive / "frames", "-r", drive / "masks", "-o", drive / "a.mp4")
    code, _, err = run(*command, "--fps", fps)
    assert code == 2
    assert "--fps" in err
