"""The formats that pictures are written in."""

from enum import StrEnum


class PictureFormat(StrEnum):
    """Of picture files; also their suffix."""

    JPG = "jpg"
    PNG = "png"
