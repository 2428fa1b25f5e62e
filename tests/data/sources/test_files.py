"""Image files as a source: folders, patterns, lists, and names that stay apart."""

import os
import re
import socket
from pathlib import Path

import pytest
from support import RunInstalled

from bddseg.data.sources.files import FileSource, drop_duplicates, find_images
from bddseg.data.sources.source import FrameRef, Selection
from bddseg.errors import BddsegError, BddsegWarning
from bddseg.types import Image


def list_names(source: Path, exclude: Path | None = None) -> list[str]:
    return [frame.name for frame in find_images(str(source), exclude=exclude)]


def test_a_folder_is_walked_and_its_tree_kept(frames: Path) -> None:
    assert list_names(frames) == ["a", "b", "night/c", "night/rain/d", "night/rain/e"]


def test_a_file_is_a_source(frames: Path) -> None:
    assert list_names(frames / "night" / "c.jpg") == ["c"]


def test_a_pattern_keeps_the_tree_below_its_fixed_part(frames: Path) -> None:
    assert list_names(frames / "**" / "*.jpg") == ["a", "night/c"]
    assert list_names(frames / "night" / "*.jpg") == ["c"]


def test_a_list_keeps_its_order_and_is_relative_to_itself(frames: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text(f"frames/night/c.jpg\n\n{frames}/a.jpg\n")
    assert list_names(listing) == ["night/c", "a"]


def test_a_limit_selects_the_first_frames(frames: Path) -> None:
    source = FileSource.open(str(frames), Selection(limit=2))
    assert [ref.name for ref in source.items()] == ["a", "b"]


@pytest.mark.parametrize(
    "selection", [Selection(start=1), Selection(end=5), Selection(every=2)], ids=repr
)
def test_frames_of_a_video_cannot_be_selected(frames: Path, selection: Selection) -> None:
    with pytest.raises(BddsegError, match="select frames of a video"):
        FileSource.open(str(frames), selection)


def test_results_below_the_source_are_not_frames(frames: Path) -> None:
    out = frames / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"mask")
    assert "out/a" not in list_names(frames, exclude=out)
    assert "out/a" not in list_names(frames / "**" / "*.png", exclude=out)


def test_images_that_are_not_read_are_counted_by_suffix(
    frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bddseg.data.sources.files._OTHER_SUFFIXES", {".heic", ".gif"})
    monkeypatch.setattr("bddseg.data.sources.files.IMAGE_SUFFIXES", {".jpg"})
    for name in ("a.HEIC", "night/b.heic", "night/c.gif", "night/notes.txt"):
        (frames / name).touch()
    expected = (
        rf"^3 images in {re.escape(str(frames))} skipped: 1 \.gif, 2 \.heic\. Convert them to PNG, "
        r"or read HEIC: pip install 'bddseg\[heic\]'\.$"
    )
    with pytest.warns(BddsegWarning, match=expected):
        assert list_names(frames) == ["a", "night/c", "night/rain/d"]
    with pytest.warns(
        BddsegWarning, match=r"^1 image in .* skipped: 1 \.gif\. Convert them to PNG"
    ):
        assert list_names(frames / "night" / "c.*") == ["c"]


@pytest.mark.parametrize("can_read", [True, False])
def test_heic_files_are_frames_if_they_can_be_read(
    tmp_path: Path, run_installed: RunInstalled, can_read: bool
) -> None:
    hide = "import sys\nsys.modules['pillow_heif'] = None\n"
    if can_read:
        (tmp_path / "pillow_heif.py").touch()
    else:
        (tmp_path / "sitecustomize.py").write_text(hide)
    frames = tmp_path / "frames"
    frames.mkdir()
    for name in ("a.heic", "b.jpg"):
        (frames / name).touch()
    code = (
        "from bddseg.data.sources.files import find_images\n"
        f"print([each.name for each in find_images({str(frames)!r})])"
    )
    done = run_installed(tmp_path, "-c", code)
    assert done.stdout == ("['a', 'b']\n" if can_read else "['b']\n"), done.stderr
    assert ("1 image in" in done.stderr) != can_read


def test_links_to_folders_are_followed_but_not_in_circles(frames: Path) -> None:
    (frames / "night" / "up").symlink_to(frames)
    elsewhere = frames.parent / "elsewhere"
    elsewhere.mkdir()
    os.link(frames / "a.jpg", elsewhere / "f.jpg")
    (frames / "linked").symlink_to(elsewhere)
    names = ["a", "b", "linked/f", "night/c", "night/rain/d", "night/rain/e"]
    assert list_names(frames) == names


def test_hidden_files_and_other_files_are_ignored(frames: Path) -> None:
    (frames / ".a.png.tmp1").touch()
    (frames / ".hidden.jpg").touch()
    (frames / "notes.md").touch()
    assert len(list_names(frames)) == 5


def test_two_frames_of_one_name_are_an_error(frames: Path) -> None:
    (frames / "a.png").write_bytes((frames / "b.png").read_bytes())
    with pytest.raises(BddsegError, match=r"a\.(jpg|png) and .*a\.(jpg|png) would both become a\."):
        list_names(frames)


def test_each_duplicate_is_found_with_its_error() -> None:
    refs = [FrameRef(name, name[0]) for name in ("a.jpg", "b.jpg", "a.png", "a.bmp")]
    found: list[tuple[FrameRef, BddsegError]] = []
    kept = drop_duplicates(refs, lambda ref, error: found.append((ref, error)))
    assert [ref.path.name for ref in kept] == ["a.jpg", "b.jpg"]
    assert [ref.path.name for ref, _ in found] == ["a.png", "a.bmp"]
    assert [error.message for _, error in found] == [
        "a.jpg and a.png would both become a.",
        "a.jpg and a.bmp would both become a.",
    ]


@pytest.mark.parametrize("source", ["missing", "missing/*.jpg", "empty"])
def test_a_source_without_frames_is_named(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BddsegError, match=source.split("/")[0]):
        list_names(tmp_path / source)


def test_frames_are_read_in_order_and_a_broken_one_stops_nothing(frames: Path) -> None:
    (frames / "b.png").write_bytes(b"broken")
    source = FileSource.open(str(frames), Selection())
    found = list(source.read(list(source.items())))
    assert [ref.name for ref, _ in found][:3] == ["a", "b", "night/c"]
    shapes = [image.shape for _, image in found if not isinstance(image, BddsegError)]
    assert shapes == [(72, 128, 3), (97, 161, 3), (50, 50, 3), (64, 96, 3)]
    errors: list[Image | BddsegError] = [each for _, each in found if isinstance(each, BddsegError)]
    assert len(errors) == 1
    assert "b.png cannot be read" in str(errors[0])


def test_a_pattern_finds_a_frame_once_whatever_links_lead_to_it(frames: Path) -> None:
    for folder in (frames, frames / "night"):
        (folder / "self").symlink_to(folder)
        (folder / "again").symlink_to(folder)
    names = ["a", "b", "night/c", "night/rain/d", "night/rain/e"]
    assert list_names(frames / "**" / "*.*") == names
    assert list_names(frames / "**") == names
    assert list_names(frames / "*" / "*.jpg") == ["night/c"]
    assert list_names(frames / "n[!x]*t" / "?.jpg") == ["night/c"]


@pytest.mark.parametrize("source", [".", "*.jpg", "**/*.jpg", "./*.jpg"])
def test_names_do_not_depend_on_how_the_current_folder_is_named(
    frames: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(frames)
    assert {"a", "./a"} & {ref.name for ref in find_images(source)} == {"a"}


def test_a_list_may_begin_with_a_byte_order_mark_and_mix_absolute_and_relative_lines(
    frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(frames)
    Path("list.txt").write_bytes(b"\xef\xbb\xbfa.jpg\r\n" + f"{frames}/night/c.jpg\r\n".encode())
    assert list_names(Path("list.txt")) == ["a", "night/c"]


def test_a_list_with_a_zero_byte_names_a_frame_that_cannot_be_read(frames: Path) -> None:
    listing = frames / "list.txt"
    listing.write_bytes(b"a.jpg\nb\0.png\n")
    source = FileSource.open(str(listing), Selection())
    images = [image for _, image in source.read(list(source.items()))]
    assert isinstance(images[1], BddsegError)
    assert not isinstance(images[0], BddsegError)
    with pytest.raises(BddsegError, match="does not exist"):
        find_images("a\0.jpg")


@pytest.mark.parametrize("name", ["pipe.jpg", "socket.png", "pipe.txt"])
@pytest.mark.parametrize("alone", [False, True])
def test_frames_have_to_be_regular_files(frames: Path, name: str, alone: bool) -> None:
    make_special(frames / name)
    source = FileSource.open(str(frames / name if alone else frames), Selection())
    images = [image for _, image in source.read(list(source.items()))]
    failed = [str(image) for image in images if isinstance(image, BddsegError)]
    # In a folder, a file of another kind is no frame.
    expected = 0 if name == "pipe.txt" and not alone else 1
    assert len(failed) == expected
    assert all(f"{name} cannot be read: it is not a regular file" in text for text in failed)


def make_special(path: Path) -> None:
    """Make a pipe or, by its name, a socket."""
    if path.stem == "pipe":
        os.mkfifo(path)
    else:
        # The path of a socket may not be long.
        folder = os.open(path.parent, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
