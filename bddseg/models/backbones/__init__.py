"""Backbones: images to feature maps, one paper a file."""
