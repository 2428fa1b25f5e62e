"""Measuring how fast a model is."""
