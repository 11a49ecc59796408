"""Faster ways on a CPU: FusionINN's flow and iVAN's dense blocks compiled by Numba; matrix products for the former."""
