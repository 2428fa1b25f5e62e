"""Small real-time networks for bddseg, with weights that can be downloaded."""

from pathlib import Path

CATALOG = Path(__file__).with_name("catalog.toml")
