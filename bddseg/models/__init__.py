"""The networks, in PyTorch; parameter names are those of the published checkpoints."""
