"""FusionINN's layers compiled for this computer's processor by Numba, which is installed on request only."""
