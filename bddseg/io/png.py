"""PNG files: reading any, and those of one 8-bit channel the fast way; writing these.

Label maps are large areas of one value. Without PNG's filters, and with deflate searching only for
repetitions of the last byte, they are small, and are written and read many times as fast as by
OpenCV and Pillow (tests/benchmarks/bench_masks.py). zlib-ng writes the same bytes as Python's zlib,
in a seventh of its time. OpenCV writes no palettes.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL.PngImagePlugin import PngImageFile
from zlib_ng import zlib_ng as zlib

from bddseg.io.read import UnreadableFileError, check_size, read_file
from bddseg.types import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bit depth and color type, and where they are in a file.
_8BIT_GREY, _8BIT_INDEXED = b"\x08\x00", b"\x08\x03"
_DEPTH_AND_TYPE = slice(24, 26)
# The byte before each row of pixels, where there is no filter, and where each is the difference
# from the one on its left: our files and those of OpenCV.
_NO_FILTER, _SUB_FILTER = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PngImage:
    """A decoded PNG file.

    Attributes:
        path: Path of the file.
        data: Content of the file.
        mode: Pillow's name of the pixel format: "L", "P", "RGB", "RGBA", "I;16" and others.
        pixels: Grey levels or palette indices, (H, W), or channels, (H, W, C); uint8 in the modes
            "L", "P", "RGB" and "RGBA".
        palette: RGB of each index, (256, 3), uint8, in mode "P"; otherwise None.
    """

    path: Path
    data: bytes
    mode: str
    pixels: npt.NDArray[Any]
    palette: Image | None = None

    @property
    def is_single_channel(self) -> bool:
        """Whether the pixels are (H, W), uint8: grey levels or palette indices."""
        return self.mode in ("L", "P")

    def to_rgb(self) -> Image:
        """Return the pixels as RGB, (H, W, 3), uint8, without any transparency.

        Raises:
            UnreadableFileError: the channels have more than 8 bits.
        """
        if self.mode == "RGB":
            return self.pixels.astype(np.uint8, copy=False)
        if self.palette is not None:
            palette: Image = np.take(self.palette, self.pixels, axis=0)
            return palette
        if self.pixels.dtype not in (np.uint8, np.bool_):
            reason = f"its mode is {self.mode}, and channels of 8 bits were expected"
            raise UnreadableFileError(self.path, reason, "Save it with 8-bit channels.")
        return np.asarray(PIL.Image.fromarray(self.pixels).convert("RGB"))


def read_png(path: Path) -> PngImage:
    """Return a PNG file, decoded.

    Raises:
        UnreadableFileError: it is missing, not a PNG file, or damaged.
    """
    data = read_png_bytes(path)
    # Damaged files make decoders raise almost anything: OSError, SyntaxError, cv2.error and more.
    try:
        width, height = struct.unpack(">II", data[16:24])
        check_size((height, width))
        return _decode(path, data)
    except Exception as error:
        raise UnreadableFileError(path, str(error) or repr(error)) from error


def read_png_bytes(path: Path) -> bytes:
    """Return the content of a PNG file, not decoded; the checksums of its chunks are right.

    Raises:
        UnreadableFileError: it is missing, not a PNG file, or damaged.
    """
    data = read_file(path)
    if not data.startswith(SIGNATURE + b"\0\0\0\rIHDR"):
        raise UnreadableFileError(path, f"it is not a PNG file ({len(data)} bytes)")
    # Pillow ignores the checksums of pixel data, and may decode a damaged file to wrong pixels.
    try:
        list(_split_chunks(data))
    except ValueError as error:
        raise UnreadableFileError(path, str(error)) from error
    return data


def read_png_size(path: Path) -> tuple[int, int]:
    """Return height and width as the header of a PNG file has them; the rest is not read.

    Raises:
        UnreadableFileError: it is missing, or not a PNG file.
    """
    try:
        with path.open("rb") as file:
            header = file.read(24)
    except OSError as error:
        raise UnreadableFileError(path, error.strerror or str(error)) from error
    if len(header) < 24 or not header.startswith(SIGNATURE):
        raise UnreadableFileError(path, "it is not a PNG file")
    width, height = struct.unpack(">II", header[16:])
    return height, width


def _decode(path: Path, data: bytes) -> PngImage:
    if data[_DEPTH_AND_TYPE] == _8BIT_GREY:
        if (found := _decode_grey(data)) is not None:
            return PngImage(path=path, data=data, mode="L", pixels=found)
        # OpenCV is faster than Pillow, and other threads run meanwhile.
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if grey is not None and grey.ndim == 2:
            return PngImage(path=path, data=data, mode="L", pixels=grey)
    # Not `PIL.Image.open`, which has a limit of its own for the number of pixels.
    with PngImageFile(BytesIO(data)) as image:
        pixels, palette = np.asarray(image), None
        if image.mode == "P":
            palette = np.zeros((256, 3), np.uint8)
            colors = image.getpalette("RGB") or []
            palette.flat[: len(colors)] = colors
        return PngImage(path=path, data=data, mode=image.mode, pixels=pixels, palette=palette)


def _decode_grey(data: bytes) -> Image | None:
    """Return the pixels of an 8-bit grey PNG; None where it is left to others to decode it."""
    width, height = struct.unpack(">II", data[16:24])
    size = height * (width + 1)
    deflated = b"".join(chunk[8:-4] for kind, chunk in _split_chunks(data) if kind == b"IDAT")
    inflate = zlib.decompressobj()
    try:
        # A damaged file may hold more than its size says, and fill the memory.
        content = inflate.decompress(deflated, size)
    except Exception:  # zlib-ng's own error, which its type stubs do not call a class
        return None
    is_interlaced = data[28] > 0
    if is_interlaced or len(content) < size or not inflate.eof:
        return None
    rows: Image = np.frombuffer(content, np.uint8).reshape(height, width + 1)
    filters = rows[:, 0]
    if (filters == _SUB_FILTER).all():
        rows = _add_differences(rows)
    elif (filters != _NO_FILTER).any():
        return None
    return rows[:, 1:].copy()


def _add_differences(rows: Image) -> Image:
    """Undo the filter "Sub": rows of a first byte of 1 and differences to rows of pixels.

    Most differences are 0: what is repeated needs no sum.
    """
    differences = rows.ravel()
    changes = np.flatnonzero(differences != 0)
    sums = differences[changes].cumsum(dtype=np.uint8)
    # Each row starts at 0 again.
    starts = changes.searchsorted(np.arange(0, rows.size, rows.shape[1]))
    lengths = np.diff(changes, append=rows.size)
    sums -= np.repeat(sums[starts], np.diff(starts, append=len(changes)))
    return sums.repeat(lengths).reshape(rows.shape)


def encode_png(
    pixels: npt.NDArray[np.uint8],
    palette: Sequence[int] | None = None,
    opacity: Sequence[int] = (),
) -> bytes:
    """Return pixels as the bytes of a PNG file.

    Args:
        pixels: Grey levels, or indices of the palette, (H, W), uint8.
        palette: 768 numbers, R, G, B for each index.
        opacity: Opacity of the first indices of a palette, 0 to 255; that of the others is 255.
    """
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # the byte before each row: no filter
    rows[:, 1:] = pixels
    deflate = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    data = deflate.compress(rows.data) + deflate.flush()
    header = struct.pack(">II", width, height) + _8BIT_GREY + bytes(3)
    chunks = make_chunk(b"IHDR", header), make_chunk(b"IDAT", data), make_chunk(b"IEND", b"")
    encoded = b"".join((SIGNATURE, *chunks))
    return encoded if palette is None else recolor_png(encoded, palette, opacity)


def recolor_png(data: bytes, palette: Sequence[int], opacity: Sequence[int] = ()) -> bytes:
    """Return an 8-bit single-channel PNG with another palette, without decoding its pixels.

    Grey and indexed images differ only in the header and the palette.

    Args:
        data: The file; see `is_8bit_single_channel`.
        palette: 768 numbers, R, G, B for each index.
        opacity: See `encode_png`.

    Raises:
        ValueError: the file is damaged.
    """
    header = data[16:24] + _8BIT_INDEXED + data[26:29]
    parts = [SIGNATURE, make_chunk(b"IHDR", header), make_chunk(b"PLTE", bytes(palette))]
    if opacity:
        parts.append(make_chunk(b"tRNS", bytes(opacity)))
    # The other chunks describe the old colors: palette, transparency, color space.
    parts += [chunk for kind, chunk in _split_chunks(data) if kind in (b"IDAT", b"IEND")]
    return b"".join(parts)


def is_8bit_single_channel(data: bytes) -> bool:
    """Return whether a PNG file has one channel of 8 bits, grey or indexed."""
    return data[_DEPTH_AND_TYPE] in (_8BIT_GREY, _8BIT_INDEXED)


def make_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a PNG chunk: length, type, data, checksum."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def _split_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the bytes of each chunk.

    Raises:
        ValueError: the file is damaged.
    """
    start, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(data[start : start + 4])
        end = start + length + 12
        kind = data[start + 4 : start + 8]
        if end > len(data):
            raise ValueError("it is cut off")
        if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise ValueError(f"its {kind.decode(errors='replace')} chunk is damaged")
        yield kind, data[start:end]
        start = end
