"""Heads: feature maps to logits; one file per paper."""
