"""Frames in, masks out; NumPy only, no torch."""
