"""Images of masks: colormaps, overlays, error maps, grids and videos."""
