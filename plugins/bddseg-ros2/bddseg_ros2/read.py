"""Images out of ROS messages, by their fields alone: ROS is not imported."""

from io import BytesIO
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from bddseg.errors import BddsegError
from bddseg.inference.images import to_image
from bddseg.io.read import check_size
from bddseg.types import Image
from bddseg_ros2.encodings import CHANNELS, COMPRESSED, ENCODINGS, YUV420, YUV422

_Bytes = npt.NDArray[np.uint8]


class ImageMessage(Protocol):
    """The fields of `sensor_msgs/Image`.

    Attributes:
        header: Time and frame id.
        height: Number of rows.
        width: Number of columns.
        encoding: What a pixel is.
        is_bigendian: Order of the bytes of a channel; of 8-bit channels it means nothing.
        step: Bytes of a row, with those that fill it up.
        data: All rows.
    """

    header: Any
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedImageMessage(Protocol):
    """The fields of `sensor_msgs/CompressedImage`.

    Attributes:
        header: Time and frame id.
        format: Such as "jpeg", or "rgb8; jpeg compressed bgr8". Only messages show it.
        data: A file of JPEG, PNG, TIFF or WebP.
    """

    header: Any
    format: str
    data: Any


def read_image_message(message: ImageMessage) -> Image:
    """Return an image message as RGB, (H, W, 3), uint8.

    Args:
        message: Of one of `ENCODINGS`, of either byte order, with or without bytes that fill up the
            rows. Alpha is ignored. YUV is that of ITU-R BT.601 with Y from 16 to 235, as cameras
            send it.

    Raises:
        BddsegError: it has another encoding or too many pixels, or its size does not fit its data.
    """
    encoding, width = message.encoding, message.width
    if encoding not in ENCODINGS:
        raise BddsegError(
            f"Images of encoding '{encoding}' are not supported.",
            f"Convert them to one of {', '.join(ENCODINGS)}, for example with image_proc.",
        )
    _check_size(message)
    if encoding in YUV422:
        rows = _read_rows(message, 2 * width, message.height).reshape(message.height, width, 2)
        return _as_uint8(cv2.cvtColor(rows, YUV422[encoding]))
    if encoding in YUV420:
        rows = _read_rows(message, width, message.height * 3 // 2)
        return _as_uint8(cv2.cvtColor(rows, YUV420[encoding]))
    channels = CHANNELS[encoding]
    rows = _read_rows(message, width * channels, message.height)
    pixels = rows.reshape(message.height, width, channels)
    return to_image(pixels, bgr=encoding.startswith("bgr"))


def read_compressed_message(message: CompressedImageMessage) -> Image:
    """Return a compressed image message as RGB, (H, W, 3), uint8.

    Orientations of EXIF data are ignored: rows and columns are those of the camera.

    Raises:
        BddsegError: OpenCV cannot decode its data, or it has too many pixels.
    """
    data = bytes(message.data)
    # Decoders raise almost anything.
    try:
        with PIL.Image.open(BytesIO(data), formats=COMPRESSED) as header:
            check_size((header.height, header.width))
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if bgr is None:
            raise ValueError("the data is damaged")
    except Exception as error:
        reason = "the data is damaged"
        if isinstance(error, ValueError | PIL.Image.DecompressionBombError):
            reason = str(error)
        elif isinstance(error, PIL.UnidentifiedImageError):
            reason = f"the data does not start as {', '.join(COMPRESSED)} do"
        raise BddsegError(
            f"A compressed image of format '{message.format}', {len(data)} bytes, cannot be used: "
            f"{reason}.",
            "Check its publisher.",
        ) from error
    return _as_uint8(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def _check_size(message: ImageMessage) -> None:
    try:
        check_size((message.height, message.width))
        is_odd = message.encoding in YUV422 | YUV420 and message.width % 2
        if is_odd or (message.encoding in YUV420 and message.height % 2):
            raise ValueError(
                f"its size is {message.width}x{message.height}, and {message.encoding} needs even "
                "numbers"
            )
    except ValueError as error:
        raise BddsegError(f"An image cannot be used: {error}.", "Check its publisher.") from error


def _read_rows(message: ImageMessage, row: int, rows: int) -> _Bytes:
    """Return the data, (rows, row), uint8, without the bytes that fill up the rows.

    Args:
        message: The message.
        row: Bytes of a row.
        rows: Number of rows.
    """
    data, step = np.frombuffer(message.data, np.uint8), message.step
    if step < row or len(data) < step * rows:
        raise BddsegError(
            f"An image of {message.width}x{message.height} {message.encoding} pixels has "
            f"{len(data)} bytes, with {step} in each row; {rows} rows were expected, and each row "
            f"needs {row}.",
            "Check its publisher.",
        )
    return data[: step * rows].reshape(rows, step)[:, :row]


def _as_uint8(image: npt.NDArray[Any]) -> Image:
    """Return the same array: OpenCV's types leave open what is in it."""
    return image.astype(np.uint8, copy=False)
