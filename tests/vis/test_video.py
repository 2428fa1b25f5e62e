"""`bddseg vis video`, decoded again."""

import cv2
import numpy as np
import pytest

from bddseg.data.frames import write_jpeg
from bddseg.data.masks import write_mask

av = pytest.importorskip("av", reason="needs the video extra")

COUNT = 12


def decode(path):
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return rate, [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def shade(number):
    return 40 + 10 * number


@pytest.fixture(params=["even", "odd"])
def drive(request, tmp_path):
    """Grey frames that grow brighter; the left half is drivable."""
    height, width = (96, 160) if request.param == "even" else (97, 161)
    labels = np.full((height, width), 2, np.uint8)
    labels[:, : width // 2] = 0
    for number in range(COUNT):
        grey = np.full((height, width, 3), shade(number), np.uint8)
        write_jpeg(tmp_path / "frames" / f"{number:06}.jpg", grey)
        write_mask(tmp_path / "masks" / f"{number:06}.png", labels)
    return tmp_path


def check(pictures, numbers, *, left=0, width=160):
    """Size, number, order and colours of an overlay that begins at column `left`."""
    assert len(pictures) == len(numbers)
    for number, picture in zip(numbers, pictures, strict=True):
        assert picture.shape[0] == 96
        plain = picture[20:76, left + width // 2 + 20 : left + width - 20].mean(axis=(0, 1))
        assert np.abs(plain - shade(number)).max() < 6
        blended = picture[20:76, left + 10 : left + width // 2 - 20].mean(axis=(0, 1))
        expected = (np.array([219, 94, 86]) + shade(number)) / 2
        assert np.abs(blended - expected).max() < 8


def make(run, root, source, *options):
    out = root / "o" / "v.mp4"
    code, text, err = run("vis", "video", "-i", source, "-c", root / "masks", "-o", out, *options)
    return code, text + err, out


def test_a_video_of_a_folder_plays_from_first_to_last_frame(run, drive):
    code, text, out = make(run, drive, drive / "frames", "--fps", 10)
    assert code == 0
    assert f"{COUNT} frames written" in text
    rate, pictures = decode(out)
    assert rate == 10
    assert pictures[0].shape == (96, 160, 3)
    check(pictures, range(COUNT))
    assert [path.name for path in out.parent.iterdir()] == ["v.mp4"]


def test_the_video_may_lie_among_its_frames(run, drive):
    out = drive / "frames" / "v.mp4"
    for _ in range(2):
        code, text, err = run(
            *("vis", "video", "-i", drive / "frames", "-c", drive / "masks", "-o", out)
        )
        assert code == 0, err
        assert f"{COUNT} frames written" in text


def test_side_by_side_shows_both(run, drive):
    code, _, out = make(run, drive, drive / "frames", "--side-by-side")
    assert code == 0
    _, pictures = decode(out)
    width = pictures[0].shape[1] // 2
    assert width in (160, 161)
    check(pictures, range(COUNT), left=width, width=width)
    for number, picture in enumerate(pictures):
        assert np.abs(picture[10:86, 10 : width - 10].mean() - shade(number)) < 4


def test_a_video_of_a_video_has_the_frames_that_have_masks(run, drive):
    (drive / "full").mkdir()
    code, _, source = make(run, drive, drive / "frames", "--alpha", 0, "--fps", 24)
    assert code == 0
    source = source.rename(drive / "drive.mp4")
    labels = np.full((96, 160), 2, np.uint8)
    labels[:, :80] = 0
    for number in range(COUNT):
        path = drive / "masks" / f"{number:06}.png"
        path.unlink() if number % 3 else write_mask(path, labels)
    code, text, out = make(run, drive, source)
    assert code == 0
    assert "4 frames written" in text
    rate, pictures = decode(out)
    assert rate == 8
    check(pictures, range(0, COUNT, 3))


def test_frames_without_masks_or_of_another_size_are_handled(run, drive):
    (drive / "masks" / "000003.png").unlink()
    (drive / "frames" / "000004.jpg").write_text("broken")
    cv2.imwrite(str(drive / "frames" / "000005.jpg"), np.full((192, 320, 3), shade(5), np.uint8))
    code, text, out = make(run, drive, drive / "frames")
    assert code == 1
    assert "000004.jpg is no image" in text
    assert "1 frames have no mask, such as" in text
    assert "1 masks had another size than their frame" in text
    rate, pictures = decode(out)
    assert rate == 30
    check(pictures, [0, 1, 2, *range(5, COUNT)])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: (root / "o").write_text("in the way"), "Cannot write"),
        (lambda root: [p.unlink() for p in (root / "masks").iterdir()], "holds no masks"),
        (
            lambda root: [p.rename(p.with_name(f"x{p.name}")) for p in (root / "masks").iterdir()],
            "has the name of a frame",
        ),
        (
            lambda root: [p.write_text("broken") for p in (root / "frames").iterdir()],
            "would be empty: no frame could be drawn",
        ),
    ],
)
def test_what_cannot_be_done_is_said(run, drive, change, said):
    change(drive)
    code, text, out = make(run, drive, drive / "frames")
    assert code == 1
    assert said in text
    assert not out.exists()


def test_only_mp4_is_written(run, drive):
    code, _, err = run(
        *("vis", "video", "-i", drive / "frames", "-c", drive / "masks", "-o", drive / "v.gif")
    )
    assert code == 1
    assert "v.gif is no MP4 file" in err
