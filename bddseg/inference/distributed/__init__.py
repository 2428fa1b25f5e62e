"""Runs of several workers: on one machine or many, started by us, by torchrun or by Slurm."""
