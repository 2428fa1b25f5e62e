"""The recipes of this package."""

from pathlib import Path

ZOO = Path(__file__).with_name("zoo.toml")
REALTIME = Path(__file__).with_name("realtime.toml")
