"""Heads: feature maps to logits, one paper a file."""
