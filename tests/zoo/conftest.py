"""The fixtures of downloads."""

from zoo.fixtures import _short_backoff, model, site

__all__ = ["_short_backoff", "model", "site"]
