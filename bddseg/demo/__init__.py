"""The demo: a few rendered frames with ground truth, and a small model trained on such frames."""

from pathlib import Path

CATALOG = Path(__file__).with_name("catalog.toml")
IMAGES = Path(__file__).with_name("images")
GROUND_TRUTH = Path(__file__).with_name("ground_truth")
