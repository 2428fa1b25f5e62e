"""PNG files: decoded as Pillow does, and never silently when damaged."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
from label_files import draw_scene

from bddseg.io.png import (
    SIGNATURE,
    encode_png,
    is_8bit_single_channel,
    make_chunk,
    read_png,
    read_png_bytes,
    recolor_png,
)
from bddseg.io.read import UnreadableFileError
from bddseg.types import Image, LabelMap

PALETTE = tuple(range(256)) * 3


@pytest.fixture(scope="module")
def labels() -> LabelMap:
    return draw_scene(1)[::20, ::20].copy()


def save(path: Path, image: PIL.Image.Image) -> Path:
    image.save(path, "PNG")
    return path


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_every_mode_is_decoded_as_pillow_decodes_it(tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    image = PIL.Image.fromarray(pixels)
    image = image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)
    path = save(tmp_path / "a.png", image)
    found = read_png(path)
    with PIL.Image.open(path) as expected:
        assert found.mode == expected.mode == mode
        assert np.array_equal(found.pixels, np.asarray(expected))
        assert found.is_single_channel == (mode in ("L", "P"))
        assert (found.palette is not None) == (mode == "P")
        if mode != "I;16":
            assert np.array_equal(found.to_rgb(), np.asarray(expected.convert("RGB")))
    assert found.data == path.read_bytes()


def test_sixteen_bits_have_no_rgb(tmp_path: Path) -> None:
    image = PIL.Image.fromarray(np.full((4, 4), 1000, np.uint16))
    found = read_png(save(tmp_path / "a.png", image))
    with pytest.raises(UnreadableFileError, match=r"a\.png cannot be read: its mode is I;16,"):
        found.to_rgb()


def test_a_short_palette_ends_in_black(tmp_path: Path) -> None:
    image = PIL.Image.fromarray(np.eye(4, dtype=np.uint8), "L")
    image.putpalette([9, 8, 7, 1, 2, 3])
    palette = read_png(save(tmp_path / "a.png", image)).palette
    assert palette is not None
    assert palette.shape == (256, 3)
    assert palette[:3].tolist() == [[9, 8, 7], [1, 2, 3], [0, 0, 0]]


def encode_interlaced(labels: LabelMap) -> bytes:
    """Return labels as an interlaced PNG: Adam7's seven passes, without filters."""
    rows = b""
    for top, left, down, right in (
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
        *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    ):
        passed = labels[top::down, left::right]
        rows += b"".join(b"\0" + row.tobytes() for row in passed if row.size)
    height, width = labels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return SIGNATURE + b"".join(make_chunk(*chunk) for chunk in chunks)


def encode_transparent(labels: LabelMap) -> bytes:
    """Return labels as a grey PNG in which class 1 is transparent."""
    data = encode_png(labels)
    return data[:33] + make_chunk(b"tRNS", b"\0\1") + data[33:]


def encode_with_pillow(labels: LabelMap) -> bytes:
    with BytesIO() as file:
        PIL.Image.fromarray(labels).save(file, "PNG")
        return file.getvalue()


def encode_with_opencv(labels: LabelMap) -> bytes:
    return cv2.imencode(".png", labels)[1].tobytes()


@pytest.mark.parametrize(
    "encode",
    [encode_png, encode_with_opencv, encode_with_pillow, encode_interlaced, encode_transparent],
)
def test_grey_levels_are_the_same_whoever_wrote_them(
    tmp_path: Path, labels: LabelMap, encode: Callable[[LabelMap], bytes]
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(labels))
    found = read_png(path)
    assert found.mode == "L"
    assert np.array_equal(found.pixels, labels)
    assert found.pixels.flags.c_contiguous
    assert found.pixels.flags.writeable


def test_rows_of_any_values_are_the_same_whoever_wrote_them(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (1, 9), (9, 1), (40, 60)):
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        for encode in (encode_png, encode_with_opencv, encode_with_pillow):
            path.write_bytes(encode(pixels))
            assert np.array_equal(read_png(path).pixels, pixels)


def test_interlaced_rows_are_put_in_order(tmp_path: Path) -> None:
    # In one column there are as many bytes as without interlacing.
    pixels = np.arange(20, dtype=np.uint8)[:, None]
    path = tmp_path / "a.png"
    path.write_bytes(encode_interlaced(pixels))
    assert np.array_equal(read_png(path).pixels, pixels)


def replace_pixels(data: bytes, content: bytes) -> bytes:
    """Return a PNG with other content, inflated, than its header says, and right checksums."""
    return data[:33] + make_chunk(b"IDAT", zlib.compress(content)) + make_chunk(b"IEND", b"")


def test_a_file_with_fewer_pixels_than_its_size_says_is_damaged(
    tmp_path: Path, labels: LabelMap
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(replace_pixels(encode_png(labels), bytes(labels.size // 2)))
    with pytest.raises(UnreadableFileError, match="truncated"):
        read_png(path)


def test_no_more_is_inflated_than_the_size_says(tmp_path: Path, labels: LabelMap) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(replace_pixels(encode_png(labels), bytes(64 << 20)))
    tracemalloc.start()
    try:
        assert not read_png(path).pixels.any()
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_masks_are_those_of_zlib_byte_for_byte(labels: LabelMap) -> None:
    rows = np.pad(labels, ((0, 0), (1, 0))).tobytes()
    deflate = zlib.compressobj(1, strategy=zlib.Z_RLE)
    assert deflate.compress(rows) + deflate.flush() in encode_png(labels)


@pytest.mark.parametrize("palette", [None, PALETTE])
def test_a_damaged_file_is_never_decoded_to_other_pixels(
    tmp_path: Path, labels: LabelMap, palette: tuple[int, ...] | None
) -> None:
    path = tmp_path / "a.png"
    data = encode_png(labels, palette)
    rng = np.random.default_rng(0)
    offsets = rng.choice(len(data), 150, replace=False).tolist()
    flipped = [data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :] for at in offsets]
    for damaged in [data[:at] for at in offsets] + flipped:
        path.write_bytes(damaged)
        with pytest.raises(UnreadableFileError, match=r"a\.png cannot be read: "):
            read_png(path)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda data: b"", "it is not a PNG file (0 bytes)"),
        (lambda data: b"text", "it is not a PNG file (4 bytes)"),
        (lambda data: data[:60], "it is cut off"),
        (lambda data: data[:-20] + b"x" + data[-19:], "its IDAT chunk is damaged"),
        (lambda data: data[:33] + make_chunk(b"IEND", b""), ""),
        (
            lambda data: data[:8] + make_chunk(b"IHDR", b"\x7f\xff" * 4 + data[24:29]) + data[33:],
            "",
        ),
    ],
    ids=["empty", "text", "cut off", "checksum", "no pixels", "huge"],
)
def test_the_reason_is_named(
    tmp_path: Path, labels: LabelMap, damage: Callable[[bytes], bytes], expected: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(damage(encode_png(labels)))
    with pytest.raises(UnreadableFileError) as caught:
        read_png(path)
    assert expected in caught.value.reason
    assert caught.value.reason
    assert caught.value.hint


def test_a_file_of_another_format_is_not_decoded(tmp_path: Path) -> None:
    PIL.Image.new("L", (4, 4)).save(tmp_path / "a.png", "BMP")
    with pytest.raises(UnreadableFileError, match="it is not a PNG file"):
        read_png(tmp_path / "a.png")


def test_pixels_come_back_as_they_were_encoded() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53), dtype=np.uint8)
    for palette in (None, PALETTE):
        with PIL.Image.open(BytesIO(encode_png(pixels, palette))) as image:
            assert image.mode == ("L" if palette is None else "P")
            assert np.array_equal(np.asarray(image), pixels)
            assert palette is None or image.getpalette() == list(PALETTE)


@pytest.mark.parametrize("palette", [None, (0,) * 768])
def test_recoloring_changes_the_palette_alone(
    tmp_path: Path, labels: LabelMap, palette: tuple[int, ...] | None
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(labels, palette))
    data = read_png_bytes(path)
    assert is_8bit_single_channel(data)
    assert recolor_png(data, PALETTE) == encode_png(labels, PALETTE)


def make_rgb() -> npt.NDArray[np.uint8]:
    return np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize("pixels", [make_rgb(), np.zeros((4, 4), np.uint16)])
def test_colors_and_deep_pixels_are_not_8bit_single_channel(tmp_path: Path, pixels: Image) -> None:
    path = save(tmp_path / "a.png", PIL.Image.fromarray(pixels))
    assert not is_8bit_single_channel(path.read_bytes())


def test_opacity_of_a_palette_is_what_pillow_reads() -> None:
    data = encode_png(np.array([[0, 1, 2]], np.uint8), [0, 0, 0, 255, 0, 0, *[9] * 762], [0, 110])
    with PIL.Image.open(BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGBA"))
    assert pixels.tolist() == [[[0, 0, 0, 0], [255, 0, 0, 110], [9, 9, 9, 255]]]
