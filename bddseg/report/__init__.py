"""Reports: one page about results, to open in a browser."""
