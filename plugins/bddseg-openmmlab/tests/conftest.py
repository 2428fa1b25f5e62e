"""What lets mmcv be imported where torchvision is missing."""

import importlib.util
import os
import sys
from pathlib import Path

_STAND_IN = str(Path(__file__).with_name("stand_in"))

if importlib.util.find_spec("torchvision") is None:
    sys.path.append(_STAND_IN)
    # Workers are processes of their own.
    paths = [os.environ.get("PYTHONPATH", ""), _STAND_IN]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
