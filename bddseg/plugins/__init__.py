"""Plugins: which there are, and a new one. Their authors read `plugins/README.md`."""
