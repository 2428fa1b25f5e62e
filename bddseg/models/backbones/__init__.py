"""Backbones: images to feature maps; one file per paper."""
