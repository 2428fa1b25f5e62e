"""What lets mmcv be imported where torchvision is missing."""

import importlib.util
import os
import sys
from pathlib import Path

_STAND_IN = str(Path(__file__).with_name("stand_in"))

# Beside mmcv alone: other packages look whether torchvision is there, and take it for real.
if importlib.util.find_spec("mmcv") and importlib.util.find_spec("torchvision") is None:
    sys.path.append(_STAND_IN)
    # Workers are processes of their own.
    paths = [os.environ.get("PYTHONPATH", ""), _STAND_IN]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
