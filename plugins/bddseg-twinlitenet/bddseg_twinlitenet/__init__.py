"""TwinLiteNet for bddseg."""

from pathlib import Path

CATALOG = Path(__file__).with_name("catalog.toml")
