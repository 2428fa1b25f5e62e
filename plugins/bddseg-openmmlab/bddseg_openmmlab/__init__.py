"""Models of mmsegmentation 0.x for bddseg, and the proof that ours equal them."""
