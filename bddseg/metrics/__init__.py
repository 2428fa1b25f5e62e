"""Scores, from masks on disk."""
