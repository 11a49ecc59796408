"""Arc tangent and exponential that vectorize, in the arithmetic of their argument.

Rational approximations of Cephes (Moshier, public domain: ``atan.c``, ``exp.c``), within 2 units in the last place of
float32 and float64. Numba would call the C library for every single number.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

# fmt: off
_ATAN = [
    -8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1, -1.228866684490136173410e2,
    -6.485021904942025371773e1,
    2.485846490142306297962e1, 1.650270098316988542046e2, 4.328810604912902668951e2, 4.853903996359136964868e2,
    1.945506571482613964425e2,
    0.66, 2.41421356237309504880, 0.78539816339744830962, 1.57079632679489661923,
]
_EXP = [
    1.26177193074810590878e-4, 3.02994407707441961300e-2, 9.99999999999999999910e-1,
    3.00198505138664455042e-6, 2.52448340349684104192e-3, 2.27265548208155028766e-1, 2.0,
    1.4426950408889634074, 6.93145751953125e-1, 1.42860682030941723212e-6, 0.5, 1.0,
]
# fmt: on
LARGEST_EXPONENT = 80.0
"""exp works for arguments between plus and minus this."""


def constants(dtype: Any) -> tuple[Any, ...]:
    """The approximations' constants in a dtype; a mixture of dtypes would be computed in float64.

    Not an array: a choice between two numbers that are yet to be read is not vectorized for every processor.
    """
    return tuple(np.array(_ATAN + _EXP, dtype))


@intrinsic  # type: ignore[untyped-decorator]
def power_of_two(typing: Any, exponent: Any) -> Any:
    """2 to a whole number, given as float32 or float64, by writing the bits of the exponent."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        bits, mantissa, bias = (32, 23, 127) if exponent.bitwidth == 32 else (64, 52, 1023)
        whole = ir.IntType(bits)
        biased = builder.add(builder.fptosi(arguments[0], whole), ir.Constant(whole, bias))
        return builder.bitcast(builder.shl(biased, ir.Constant(whole, mantissa)), context.get_value_type(exponent))

    return (exponent(exponent), generate) if isinstance(exponent, types.Float) else None


@numba.njit(inline="always")  # type: ignore[untyped-decorator]
def atan(x: Any, k: Any) -> Any:
    """Arc tangent; k are the ``constants``. |x| is brought below 0.66 by one of two identities, without branches."""
    one = k[25]
    size = abs(x)
    large = size > k[11]
    middle = size > k[10]
    above = -one if large else (size - one if middle else size)
    below = size if large else (size + one if middle else one)
    start = k[13] if large else (k[12] if middle else one - one)
    small = above / below
    z = small * small
    upper = (((k[0] * z + k[1]) * z + k[2]) * z + k[3]) * z + k[4]
    lower = ((((z + k[5]) * z + k[6]) * z + k[7]) * z + k[8]) * z + k[9]
    angle = start + (small * (z * upper / lower) + small)
    return -angle if x < 0 else angle


@numba.njit(inline="always")  # type: ignore[untyped-decorator]
def exp(x: Any, k: Any) -> Any:
    """Exponential for |x| ≤ ``LARGEST_EXPONENT``; k are the ``constants``."""
    one = k[25]
    exponent = np.floor(x * k[21] + k[24])
    x = x - exponent * k[22]
    x = x - exponent * k[23]
    z = x * x
    odd = x * ((k[14] * z + k[15]) * z + k[16])
    even = ((k[17] * z + k[18]) * z + k[19]) * z + k[20]
    ratio = odd / (even - odd)
    return (one + ratio + ratio) * power_of_two(exponent)
