"""The array types that the whole package shares."""

import numpy as np
import numpy.typing as npt

# RGB, (H, W, 3), uint8.
Image = npt.NDArray[np.uint8]
# Class ids, (H, W), uint8.
LabelMap = npt.NDArray[np.uint8]
# True where a pixel belongs to something, (H, W), bool.
BinaryMask = npt.NDArray[np.bool_]
# Height and width in pixels.
SizeHW = tuple[int, int]
# Red, green and blue, 0 to 255.
Color = tuple[int, int, int]
