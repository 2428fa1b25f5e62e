"""Drivable-area masks from driving frames, scored like the BDD100K model zoo."""

from importlib.metadata import version

__version__ = version("bddseg")
