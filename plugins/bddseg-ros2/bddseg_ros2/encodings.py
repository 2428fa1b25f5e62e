"""Encodings of `sensor_msgs/Image` that the node reads. ROS and torch are not imported."""

import cv2

# Bytes of a pixel.
CHANNELS = {"mono8": 1, "rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4}
# Two pixels of a row share their color: U Y V Y, or Y U Y V.
YUV422 = {
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
    "uyvy": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2,
    "yuyv": cv2.COLOR_YUV2RGB_YUY2,
}
# All rows of Y, then for each 2x2 pixels U and V, or V and U.
YUV420 = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
ENCODINGS = (*CHANNELS, *YUV422, *YUV420)
# Formats of `sensor_msgs/CompressedImage`, by Pillow's names.
COMPRESSED = ("JPEG", "PNG", "TIFF", "WEBP")
