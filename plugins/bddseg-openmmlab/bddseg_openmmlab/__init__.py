"""Models of mmsegmentation 0.x for bddseg, and a comparison of our networks with them."""
