"""The phantom patient: everything about one head and its scanner, drawn from a seed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from InvertibleFusionLib._version import __version__
from InvertibleFusionLib.errors import ConfigurationError, GridMismatchError
from InvertibleFusionLib.phantom import artefacts
from InvertibleFusionLib.phantom.acquisition import ADC_UNITS, LABELS, Acquisition
from InvertibleFusionLib.phantom.anatomy import Anatomy, HeadShape
from InvertibleFusionLib.phantom.scanner import CONTRASTS, Scanner
from InvertibleFusionLib.phantom.shapes import Place
from InvertibleFusionLib.phantom.tissues import TISSUES, Tissue
from InvertibleFusionLib.phantom.tumour import Lesion
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.resampling import coverage, resample
from InvertibleFusionLib.volumes.volume import Volume

LESION_PLACES: tuple[tuple[Place, float], ...] = (
    ((30, -50, 24), 15),  # frontal
    ((28, -12, 42), 15),  # centrum semiovale
    ((32, 26, 34), 16),  # parietal
    ((46, 4, -18), 12),  # temporal
    ((34, 44, 12), 14),  # occipital
)
"""Where tumours lie in the average head's left half, in its coordinates, and the largest radius there; mm."""
SMALLEST_LESION = 10.0
PET_SPACING = 2.5
PET_GRID = Grid((80, 98, 94), (PET_SPACING,) * 3, (-98.75, -126.25, -128.75))
"""The PET scanner's own voxels; its images are resampled from there onto any other grid."""


@dataclass(frozen=True)
class Patient:
    """One phantom patient: a head with a ring-enhancing tumour, and the scanner that looks at it.

    The anatomy is defined in patient millimetres (LPS): every grid sees the same head in the same place. The same seed
    gives the same voxels.

    Attributes:
        seed: of everything random.
        head: what the head is like.
        lesion: where the tumour is and how large.
        scanner: its sequences, noise and bias field.
    """

    seed: int
    head: HeadShape
    lesion: Lesion
    scanner: Scanner

    @classmethod
    def from_seed(cls, seed: int) -> "Patient":
        """The patient that belongs to a seed.

        Raises:
            ConfigurationError: when the seed is negative.
        """
        if seed < 0:
            raise ConfigurationError(f"The seed of a phantom patient is a whole number from 0 on, not {seed}.")
        generator = np.random.default_rng([seed, 0])
        head = _draw_head(generator)
        return cls(seed, head, _draw_lesion(generator, head), Scanner.draw(generator))

    @property
    def lesion_centre(self) -> Place:
        """Centre of the tumour's core and rim in mm, LPS."""
        return self.lesion.centre

    def acquire(self, contrast: str, grid: Grid, noise: float | None = None, bias_field: float | None = None) -> Volume:
        """Scan one contrast; see ``acquire_all``, which scans several in the time of one."""
        return self.acquire_all([contrast], grid, noise, bias_field)[contrast]

    def labels(self, grid: Grid) -> Volume:
        """The tissue that fills most of each voxel: uint8, values of ``Tissue``, a label map named "labels"."""
        return self._scan([LABELS], grid, 0.0, 0.0)[LABELS]

    def acquire_all(
        self,
        contrasts: Sequence[str],
        grid: Grid,
        noise: float | None = None,
        bias_field: float | None = None,
        labels: bool = False,
    ) -> dict[str, Volume]:
        """Scan several contrasts on one grid, of any size, spacing and direction.

        Each voxel holds the mean over its box. T1, T1Gd, T2, PD, FLAIR and DWI are uint16 in arbitrary units; ADC is
        uint16 in 1e-6 mm²/s, computed from two diffusion images and 0 where they are dark; PET is float32, uptake
        blurred by the scanner's point spread function.

        Args:
            contrasts: of ``CONTRASTS``.
            grid: where the voxels shall lie.
            noise: standard deviation as a share of white matter's brightness in the same contrast; 0 for none, None
                for the patient's own.
            bias_field: the coil's sensitivity runs between exp(−bias_field) and exp(bias_field); 0 for none, None
                for the patient's own.
            labels: add the label map under the name "labels".

        Returns:
            Volumes by their names, which are the contrasts'.

        Raises:
            ConfigurationError: for an unknown contrast, a noise or bias field outside [0, 1].
            GridMismatchError: when the grid misses the head.
        """
        unknown = sorted(set(contrasts) - set(CONTRASTS))
        if unknown:
            raise ConfigurationError(
                f"The phantom has no contrast {', '.join(unknown)}. Choose from {', '.join(CONTRASTS)}."
            )
        names = [*dict.fromkeys(contrasts), *([LABELS] if labels else [])]
        noise = _share("noise", self.scanner.noise if noise is None else noise)
        bias_field = _share("bias field", self.scanner.bias_field if bias_field is None else bias_field)
        return self._scan(names, grid, noise, bias_field)

    def parameters(self) -> dict[str, Any]:
        """Everything that was drawn from the seed, as JSON-ready data, and the meaning of the label values."""
        said = {"simulated": True, "library": f"invertible-fusion {__version__}", "notice": "Research use only."}
        return {**said, **asdict(self), "labels": {tissue.name.lower(): int(tissue) for tissue in Tissue}}

    @cached_property
    def _anatomy(self) -> Anatomy:
        return Anatomy(self.head, self.lesion, np.random.default_rng([self.seed, 1]))

    def _scan(self, names: list[str], grid: Grid, noise: float, bias_field: float) -> dict[str, Volume]:
        if coverage(PET_GRID, grid) == 0:
            raise GridMismatchError(
                f"The grid misses the phantom's head, which lies round {self.head.shift} mm: it spans "
                f"{grid.corners().min(axis=0).round()} to {grid.corners().max(axis=0).round()} mm."
            )
        acquisition = Acquisition(self._anatomy, self.scanner, grid, self.seed, noise, bias_field)
        others = [name for name in names if name != "PET"]
        arrays = acquisition.arrays(others) if others else {}
        volumes = {}
        for name in names:
            if name == "PET":
                volumes[name] = self._positron_volume(grid, noise)
            else:
                units = ADC_UNITS if name == "ADC" else ""
                volumes[name] = Volume.on_grid(arrays[name], grid, name=name, units=units, label_map=name == LABELS)
        return {
            name: replace(volume, record=self._record(volume, noise, bias_field)) for name, volume in volumes.items()
        }

    def _record(self, volume: Volume, noise: float, bias_field: float) -> dict[str, Any]:
        """What every simulated volume says of itself."""
        return {
            "task": "phantom",
            "simulated": True,
            "library": f"invertible-fusion {__version__}",
            "notice": "Simulated phantom. Research use only.",
            "settings": {"seed": self.seed, "noise": noise, "bias_field": bias_field},
            "result": {"kind": "phantom", "name": volume.name, "units": volume.units},
        }

    def _positron_volume(self, grid: Grid, noise: float) -> Volume:
        acquisition = Acquisition(self._anatomy, self.scanner, PET_GRID, self.seed, noise, 0.0)
        # The noise's variance is proportional to the uptake, and its share of white matter's uptake is given.
        strength = noise * TISSUES[Tissue.WHITE_MATTER].uptake ** 0.5
        image = artefacts.positron_image(
            acquisition.uptake(), PET_SPACING, self.scanner.point_spread, strength, acquisition.random("PET")
        )
        return resample(Volume.on_grid(image, PET_GRID, name="PET"), grid)


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ConfigurationError(f"The {name} must lie between 0 and 1, not {value}.")
    return float(value)


def _draw_head(generator: np.random.Generator) -> HeadShape:
    def between(low: float, high: float) -> float:
        return round(float(generator.uniform(low, high)), 3)

    return HeadShape(
        size=(between(0.95, 1.04), between(0.95, 1.04), between(0.96, 1.03)),
        turn=(between(-5, 5), between(-4, 4), between(-5, 5)),
        shift=(between(-4, 4), between(-4, 4), between(-4, 4)),
        skull=between(5.5, 8.0),
        scalp=between(5.0, 8.0),
        fluid=between(1.6, 3.0),
        cortex=between(2.4, 2.9),
        sulci=between(0.35, 0.65),
        ventricles=between(-0.8, 2.0),
    )


def _draw_lesion(generator: np.random.Generator, head: HeadShape) -> Lesion:
    def between(low: float, high: float) -> float:
        return round(float(generator.uniform(low, high)), 3)

    place, largest = LESION_PLACES[generator.integers(len(LESION_PLACES))]
    side = -1 if generator.integers(2) else 1
    x, y, z = (value + between(-3, 3) for value in place)
    centre = head.to_scanner((side * x, y, z))
    radius = between(SMALLEST_LESION, largest)
    return Lesion(
        centre=(round(centre[0], 3), round(centre[1], 3), round(centre[2], 3)),
        radius=radius,
        rim=round(between(0.3, 0.38) * radius, 3),
        oedema=between(8.0, 18.0),
        push=round(between(0.15, 0.4) * radius, 3),
    )
