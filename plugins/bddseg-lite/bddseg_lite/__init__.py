"""A small drivable-area model for bddseg, with its weights."""

from pathlib import Path

CATALOG = Path(__file__).with_name("catalog.toml")
RECIPES = Path(__file__).with_name("recipes.toml")
