"""The networks, in plain PyTorch; parameter names are those of the published checkpoints."""
