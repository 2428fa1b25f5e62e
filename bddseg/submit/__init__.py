"""Packages for challenge servers."""
