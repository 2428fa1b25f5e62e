"""Sources of frames: files, videos, and those of plugins."""
