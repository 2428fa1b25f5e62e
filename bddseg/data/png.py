"""PNG files of one 8-bit channel, written and recoloured the fast way.

Label maps are large areas of one value. Without PNG's filters, and with deflate looking for nothing
but repetitions of the last byte, they take less time than by OpenCV's encoder, a fifth of that by
Pillow's, and are smaller (tests/benchmarks/bench_masks.py). OpenCV writes no palettes.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3
# Where the content of the first chunk is, and in it, what the channels are.
_HEADER, _KIND = slice(16, 29), 9


def encode_png(pixels: npt.NDArray[np.uint8], palette: Sequence[int] | None = None) -> bytes:
    """Return pixels as a PNG file.

    Args:
        pixels: (H, W), uint8.
        palette: 768 numbers, R, G, B for each value; without, the pixels are grey levels.
    """
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # the byte before each row: no filter
    rows[:, 1:] = pixels
    squeeze = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    data = squeeze.compress(rows.data) + squeeze.flush()
    kind = _GREY if palette is None else _PALETTE
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    colors = b"" if palette is None else make_chunk(b"PLTE", bytes(palette))
    chunks = (make_chunk(b"IHDR", header), colors, make_chunk(b"IDAT", data))
    return b"".join((SIGNATURE, *chunks, make_chunk(b"IEND", b"")))


def recolor_png(data: bytes, palette: Sequence[int]) -> bytes:
    """Return a PNG of one 8-bit channel with another palette: no pixel is decoded.

    What is indexed and what is grey differs in the header alone.

    Args:
        data: the file; see `has_one_byte`.
        palette: 768 numbers, R, G, B for each value.

    Raises:
        ValueError: the file is damaged.
    """
    header = bytearray(data[_HEADER])
    header[_KIND] = _PALETTE
    parts = [SIGNATURE, make_chunk(b"IHDR", bytes(header)), make_chunk(b"PLTE", bytes(palette))]
    # Everything else that may be in the file speaks of how the old colours are to be shown.
    parts += [chunk for kind, chunk in _split(data) if kind in (b"IDAT", b"IEND")]
    return b"".join(parts)


def has_one_byte(data: bytes) -> bool:
    """Return whether the beginning of a file is that of a PNG with one channel of 8 bits."""
    header = data[_HEADER]
    return data[:8] == SIGNATURE and header[8:9] == b"\x08" and header[9:10] in (b"\x00", b"\x03")


def is_plain_grey(data: bytes) -> bool:
    """Return whether the beginning of a file is that of a PNG with one grey channel of 8 bits."""
    return has_one_byte(data) and data[_HEADER][_KIND] == _GREY


def _split(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the whole of each chunk, checked."""
    start, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(data[start : start + 4])
        end = start + length + 12
        kind = data[start + 4 : start + 8]
        if end > len(data):
            raise ValueError("it is cut off")
        if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise ValueError(f"its part {kind.decode(errors='replace')} is damaged")
        yield kind, data[start:end]
        start = end


def make_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a PNG chunk: length, type, data, checksum."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
