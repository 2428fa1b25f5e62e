"""Metrics: scores of masks on disk."""
