import os

import cv2
import numpy as np
import pytest

from bddseg.data.frames import read_frame
from bddseg.data.sources import find_frames
from bddseg.errors import BddsegError


def names(source, **options):
    return [frame.name for frame in find_frames(str(source), **options)]


def test_a_folder_is_walked_and_its_tree_kept(frames):
    assert names(frames) == ["a", "b", "night/c", "night/rain/d", "night/rain/e"]


def test_a_file_is_a_source(frames):
    assert names(frames / "night" / "c.jpg") == ["c"]


def test_a_glob_keeps_the_tree_below_its_fixed_part(frames):
    assert names(frames / "**" / "*.jpg") == ["a", "night/c"]
    assert names(frames / "night" / "*.jpg") == ["c"]


def test_a_list_keeps_its_order_and_is_relative_to_itself(frames, tmp_path):
    listing = tmp_path / "list.txt"
    listing.write_text(f"frames/night/c.jpg\n\n{frames}/a.jpg\n")
    assert names(listing) == ["night/c", "a"]


def test_results_below_the_source_are_no_frames(frames):
    out = frames / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"mask")
    assert "out/a" not in names(frames, exclude=out)


def test_links_to_folders_are_followed_but_not_in_circles(frames):
    (frames / "night" / "up").symlink_to(frames)
    elsewhere = frames.parent / "elsewhere"
    elsewhere.mkdir()
    os.link(frames / "a.jpg", elsewhere / "f.jpg")
    (frames / "linked").symlink_to(elsewhere)
    assert names(frames) == ["a", "b", "linked/f", "night/c", "night/rain/d", "night/rain/e"]


def test_hidden_files_and_other_files_are_passed_over(frames):
    (frames / ".a.png.tmp1").touch()
    (frames / ".hidden.jpg").touch()
    (frames / "notes.md").touch()
    assert len(names(frames)) == 5


def test_two_frames_of_one_name_are_an_error(frames):
    (frames / "a.png").write_bytes((frames / "b.png").read_bytes())
    with pytest.raises(BddsegError, match=r"a\.(jpg|png) and .*a\.(jpg|png) would both become a\."):
        names(frames)


@pytest.mark.parametrize("source", ["missing", "missing/*.jpg", "empty"])
def test_a_source_without_frames_is_named(tmp_path, source):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BddsegError, match=source.split("/")[0]):
        names(tmp_path / source)


def test_a_frame_is_rgb(tmp_path):
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "red.png"), red)
    frame = read_frame(tmp_path / "red.png")
    assert frame.shape == (4, 6, 3)
    assert frame[0, 0].tolist() == [255, 0, 0]


def test_a_grey_frame_gets_three_channels(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 6), 7, np.uint8))
    assert read_frame(tmp_path / "grey.png").shape == (4, 6, 3)


@pytest.mark.parametrize("data", [b"", b"no image at all", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_is_named(tmp_path, data):
    (tmp_path / "bad.jpg").write_bytes(data)
    with pytest.raises(BddsegError, match=r"bad\.jpg is no image"):
        read_frame(tmp_path / "bad.jpg")


def test_a_missing_frame_is_named(tmp_path):
    with pytest.raises(BddsegError, match=r"gone\.jpg: No such file"):
        read_frame(tmp_path / "gone.jpg")
