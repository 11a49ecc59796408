"""From tissue properties to signal: the equations of spin echo, inversion recovery and diffusion weighting.

All follow Bernstein, King, Zhou: Handbook of MRI Pulse Sequences (Academic Press, 2004), for ideal 90°, 180° pulses and
echo times that are short against the repetition time. Signals are shares of what water at rest would give, times in
ms, b-values in s/mm². Arguments may be numbers or NumPy arrays of one shape.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def spin_echo(density: Array, t1: Array, t2: Array, repetition_time: float, echo_time: float) -> Array:
    """ρ · (1 − exp(−TR / T1)) · exp(−TE / T2), in [0, 1]."""
    return np.asarray(density * (1 - np.exp(-repetition_time / t1)) * np.exp(-echo_time / t2))


def inversion_recovery(
    density: Array, t1: Array, t2: Array, repetition_time: float, echo_time: float, inversion_time: float
) -> Array:
    """ρ · (1 − 2 exp(−TI / T1) + exp(−TR / T1)) · exp(−TE / T2), in [−1, 1].

    The sign is kept: within a voxel, tissues of opposite sign cancel. The image is the magnitude of the sum.
    """
    recovered = 1 - 2 * np.exp(-inversion_time / t1) + np.exp(-repetition_time / t1)
    return np.asarray(density * recovered * np.exp(-echo_time / t2))


def nulling_inversion_time(t1: float, repetition_time: float) -> float:
    """Inversion time in ms at which ``inversion_recovery`` of a tissue is zero: T1 · ln(2 / (1 + exp(−TR / T1)))."""
    return float(t1 * np.log(2 / (1 + np.exp(-repetition_time / t1))))


def diffusion_weighted(signal: Array, diffusion: Array, b_value: float) -> Array:
    """S0 · exp(−b · D) with the diffusion coefficient D in 1e-6 mm²/s (Stejskal and Tanner 1965)."""
    return np.asarray(signal * np.exp(-b_value * diffusion * 1e-6))


def apparent_diffusion(
    unweighted: NDArray[np.floating], weighted: NDArray[np.floating], b_value: float
) -> NDArray[np.float64]:
    """ln(S0 / Sb) / b in 1e-6 mm²/s; 0 where either signal is not positive. What scanners compute from two images."""
    usable = (unweighted > 0) & (weighted > 0)
    ratio = np.divide(unweighted, weighted, out=np.ones(unweighted.shape), where=usable)
    return np.asarray(np.log(ratio) * (1e6 / b_value))
