"""A stand-in where torchvision has no build: mmcv imports it for what is not used here."""

__version__ = "0.0"
