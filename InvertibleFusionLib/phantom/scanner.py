"""The sequences that a patient is scanned with, and how bright each tissue is in them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.phantom import signal
from InvertibleFusionLib.phantom.tissues import TISSUES, Tissue

CONTRASTS = ("T1", "T1Gd", "T2", "PD", "FLAIR", "DWI", "ADC", "PET")
UNWEIGHTED = "b0"
"""The image without diffusion weighting, from which and from DWI the ADC map is computed."""


@dataclass(frozen=True)
class Sequence:
    """One pulse sequence; times in ms.

    Attributes:
        repetition_time: between two excitations.
        echo_time: from excitation to echo.
        inversion_time: from inversion to excitation; 0 for a plain spin echo.
        b_value: diffusion weighting in s/mm².
        fat_suppressed: fat and marrow give no signal.
        gadolinium: after contrast medium.
        gain: voxel value of a signal of 1, that of water at rest.
    """

    repetition_time: float
    echo_time: float
    inversion_time: float = 0.0
    b_value: float = 0.0
    fat_suppressed: bool = False
    gadolinium: bool = False
    gain: float = 2000.0

    def brightness(self) -> NDArray[np.float64]:
        """Voxel value of each tissue without noise, shape (tissues,), in label order; negative after an inversion."""
        kinds = [TISSUES[tissue] for tissue in Tissue]
        visible = np.array([not (kind.fatty and self.fat_suppressed) for kind in kinds])
        density = np.array([kind.proton_density for kind in kinds]) * visible
        t1 = np.array([kind.t1_with_gadolinium if self.gadolinium else kind.t1 for kind in kinds], dtype=np.float64)
        t2 = np.array([kind.t2 for kind in kinds], dtype=np.float64)
        diffusion = np.array([kind.diffusion for kind in kinds], dtype=np.float64)
        if self.inversion_time:
            echo = signal.inversion_recovery(density, t1, t2, self.repetition_time, self.echo_time, self.inversion_time)
        else:
            echo = signal.spin_echo(density, t1, t2, self.repetition_time, self.echo_time)
        return self.gain * signal.diffusion_weighted(echo, diffusion, self.b_value)


@dataclass(frozen=True)
class Scanner:
    """How one patient is scanned.

    Attributes:
        sequences: one for each of T1, T1Gd, T2, PD, FLAIR, DWI, and "b0", which is DWI without its weighting.
        noise: standard deviation of the noise as a share of white matter's brightness, in every contrast.
        bias_field: the coil's sensitivity runs between exp(−bias_field) and exp(bias_field).
        point_spread: full width at half maximum of the PET scanner's point spread function, in mm.
    """

    sequences: dict[str, Sequence]
    noise: float
    bias_field: float
    point_spread: float

    @classmethod
    def draw(cls, generator: np.random.Generator) -> "Scanner":
        """Sequences as they are usual at 1.5 tesla, every time and gain a little different."""

        def about(value: float, spread: float = 0.08) -> float:
            return round(float(value * generator.uniform(1 - spread, 1 + spread)), 1)

        t1_repetition, t1_echo = about(500), about(12)
        diffusion_repetition, diffusion_echo = about(6000), about(88)
        flair_repetition = about(9000)
        fluid_t1 = TISSUES[Tissue.CEREBROSPINAL_FLUID].t1
        # Technicians aim at the nulling point of the fluid and hit it within a few per cent.
        inversion = about(signal.nulling_inversion_time(fluid_t1, flair_repetition), 0.03)
        diffusion_gain = about(3000, 0.3)
        sequences = {
            "T1": Sequence(t1_repetition, t1_echo, gain=about(2000, 0.3)),
            "T1Gd": Sequence(t1_repetition, t1_echo, gadolinium=True, gain=about(2000, 0.3)),
            "T2": Sequence(about(4500), about(100), gain=about(2500, 0.3)),
            "PD": Sequence(about(2600), about(15), gain=about(1500, 0.3)),
            "FLAIR": Sequence(flair_repetition, about(118), inversion_time=inversion, gain=about(4000, 0.3)),
            "DWI": Sequence(
                diffusion_repetition, diffusion_echo, b_value=1000.0, fat_suppressed=True, gain=diffusion_gain
            ),
            UNWEIGHTED: Sequence(diffusion_repetition, diffusion_echo, fat_suppressed=True, gain=diffusion_gain),
        }
        return cls(
            sequences,
            noise=round(float(generator.uniform(0.02, 0.05)), 4),
            bias_field=round(float(generator.uniform(0.05, 0.2)), 4),
            point_spread=about(5.0, 0.1),
        )
