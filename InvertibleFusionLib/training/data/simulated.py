"""What is simulated of a discrete anatomical model such as BrainWeb's: which slabs, by which scanners.

A discrete model is a volume of tissue labels and a table of the tissues' properties. Scanners of several parameter sets
and noise levels see it, because one phantom under one set would be memorized; whole slabs and parameter sets are held
out. Everything made of it is called simulated.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path

from InvertibleFusionLib.errors import ConfigurationError

GAP = 5
"""Slices at least between a slab to learn from and one to measure on."""
LARGEST_BLUR = 4.0
"""Full width in mm; beyond it the blur of one slab would reach over the gap into the next."""


@dataclass(frozen=True)
class SimulatedScanner:
    """One parameter set of a spin-echo scanner, and its noise.

    Attributes:
        name: of the set.
        times: for each contrast that it makes its repetition and echo time in ms, as in {T1: [500, 15]}.
        noise: standard deviation of the noise in both channels of the receiver, as a share of the brightest tissue's
            signal in that contrast, as BrainWeb counts it. The magnitude image has Rician noise.

    Raises:
        ConfigurationError: for times and noise that no scanner has.
    """

    name: str
    times: dict[str, list[float]]
    noise: float = 0.005

    def __post_init__(self) -> None:
        for contrast, times in self.times.items():
            if len(times) != 2 or not all(0 < time < math.inf for time in times):
                raise ConfigurationError(
                    f"The simulated scanner {self.name!r} needs a repetition and an echo time in ms for {contrast}, "
                    f"not {times}."
                )
        if not self.times or not 0 <= self.noise < 1:
            raise ConfigurationError(
                f"The simulated scanner {self.name!r} needs at least one contrast and a noise in [0, 1), a share of "
                f"the brightest tissue, not {len(self.times)} contrasts and {self.noise}."
            )


@dataclass(frozen=True)
class Simulation:
    """Scans of one discrete anatomical model. Each scanner sees all slabs; together they are one person's studies.

    Attributes:
        labels: volume of tissue labels, relative to the data folder.
        tissues: CSV with the columns label, rho (proton density), T1_s and T2_s (seconds), relative to it too.
        slabs: first and last axial slice of each, counted from 0, both included.
        scanners: parameter sets.
        blur: full width at half maximum in mm of the Gaussian that mixes neighbouring voxels (partial volume).
        seed: of the noise.

    Raises:
        ConfigurationError: for slabs without slices, scanners of one name, a blur that is too wide.
    """

    labels: Path
    tissues: Path
    slabs: list[list[int]]
    scanners: list[SimulatedScanner] = field(default_factory=list)
    blur: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for slab in self.slabs:
            if len(slab) != 2 or not 0 <= slab[0] <= slab[1]:
                raise ConfigurationError(f"A slab is its first and its last slice, counted from 0, not {slab}.")
        if not self.slabs or not self.scanners:
            raise ConfigurationError("A simulation needs at least one slab and one scanner.")
        for one, two in combinations(self.slabs, 2):
            if between(one, two) < 0:
                raise ConfigurationError(f"The slabs {one} and {two} of one simulation overlap. Make them one.")
        names = [scanner.name for scanner in self.scanners]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"Two simulated scanners have one name: {', '.join(names)}. Rename one.")
        if not 0 <= self.blur <= LARGEST_BLUR:
            raise ConfigurationError(f"The blur lies between 0 and {LARGEST_BLUR:g} mm, not at {self.blur}.")
        if self.seed < 0:
            raise ConfigurationError(f"The seed is a whole number from 0 on, not {self.seed}.")


def require_slabs_apart(
    training: Sequence[Simulation], validation: Sequence[Simulation], place: Callable[[Path], Path]
) -> None:
    """Refuse simulations that share an anatomy, unless their slabs lie apart by at least ``GAP`` slices.

    Args:
        training: to learn from.
        validation: to measure on.
        place: where a labels' file really lies.

    Raises:
        ConfigurationError: naming the file and both slabs.
    """
    for ours, theirs in product(training, validation):
        if place(ours.labels) != place(theirs.labels):
            continue
        for one, two in product(ours.slabs, theirs.slabs):
            if between(one, two) < GAP:
                raise ConfigurationError(
                    f"Training and validation simulate the same anatomy, {ours.labels}: the slices {one[0]} to "
                    f"{one[1]} are learnt from and {two[0]} to {two[1]} measured on. Leave at least {GAP} slices "
                    "between them."
                )


def between(one: Sequence[int], two: Sequence[int]) -> int:
    """How many slices lie between two slabs; negative where they overlap."""
    return max(one[0], two[0]) - min(one[1], two[1]) - 1
