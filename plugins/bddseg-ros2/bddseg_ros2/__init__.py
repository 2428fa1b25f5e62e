"""A ROS 2 node for bddseg: images in, labels, overlays and occupancy grids out."""
