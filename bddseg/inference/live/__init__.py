"""Live runs: from the newest frame to its mask, written, in a window or in a browser."""
