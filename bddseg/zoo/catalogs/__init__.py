"""The built-in catalogs."""

from pathlib import Path

DRIVABLE = Path(__file__).with_name("drivable.toml")
