"""Segmentation models of Hugging Face transformers for bddseg."""
