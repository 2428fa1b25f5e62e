"""Rendered driving scenes with exact ground truth."""
