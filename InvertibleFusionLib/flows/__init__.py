"""Layers that run backwards, and their sequence."""

from InvertibleFusionLib.flows.actnorm import ActNorm
from InvertibleFusionLib.flows.coupling import AffineCoupling, EnhancedCoupling
from InvertibleFusionLib.flows.layer import InvertibleLayer
from InvertibleFusionLib.flows.permutation import InvertibleConvolution, Permutation
from InvertibleFusionLib.flows.sequence import InvertibleSequence
from InvertibleFusionLib.flows.squeeze import Squeeze, Unsqueeze

__all__ = [
    "ActNorm",
    "AffineCoupling",
    "EnhancedCoupling",
    "InvertibleConvolution",
    "InvertibleLayer",
    "InvertibleSequence",
    "Permutation",
    "Squeeze",
    "Unsqueeze",
]
