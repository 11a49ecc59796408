"""Faster ways on a CPU: FusionINN's flow and iVAN's dense blocks compiled by Numba, or the former as matrix products."""
