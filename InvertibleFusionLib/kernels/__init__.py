"""Faster ways to compute FusionINN's flow on a CPU: compiled by Numba, where it is installed, or as matrix products."""
