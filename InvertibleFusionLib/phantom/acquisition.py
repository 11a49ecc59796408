"""Scanning one head on one grid: several contrasts and the labels from a single pass over the anatomy."""

import math
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.phantom import artefacts, signal
from InvertibleFusionLib.phantom.anatomy import Anatomy
from InvertibleFusionLib.phantom.sampling import tissue_shares
from InvertibleFusionLib.phantom.scanner import UNWEIGHTED, Scanner
from InvertibleFusionLib.phantom.shapes import Floats
from InvertibleFusionLib.phantom.tissues import TISSUES, Tissue
from InvertibleFusionLib.volumes.grid import Grid

LABELS = "labels"
ADC_UNITS = "1e-6 mm2/s"
ADC_THRESHOLD = 0.06
"""Where the image without weighting is darker than this share of water, scanners leave the ADC map at 0."""
LARGEST_ADC = 4095
"""Noise cannot push the map beyond what twelve bits hold."""


@dataclass(frozen=True)
class Acquisition:
    """Settings of one pass.

    Attributes:
        anatomy: the head.
        scanner: its sequences.
        grid: where the voxels lie.
        seed: of the noise, which each image has for itself, and of the coil.
        noise: see ``Scanner.noise``.
        bias_field: see ``Scanner.bias_field``.
    """

    anatomy: Anatomy
    scanner: Scanner
    grid: Grid
    seed: int
    noise: float
    bias_field: float

    def arrays(self, names: list[str]) -> dict[str, NDArray[np.generic]]:
        """The voxels of the named magnetic contrasts, of "ADC" and of "labels", in their scanners' types."""
        wanted = [name for name in names if name in self.scanner.sequences]
        if "ADC" in names:
            wanted += [name for name in (UNWEIGHTED, "DWI") if name not in wanted]
        signals, labels = self._pass(wanted)
        coil = self._coil()
        images = {name: self._received(name, values, coil) for name, values in signals.items()}
        result: dict[str, NDArray[np.generic]] = {}
        for name in names:
            if name == LABELS:
                result[name] = labels
            elif name == "ADC":
                result[name] = self._diffusion_map(images[UNWEIGHTED], images["DWI"])
            else:
                result[name] = np.rint(images[name]).astype(np.uint16)
        return result

    def uptake(self) -> Floats:
        """FDG uptake without blur and noise, shape (k, j, i), as standardised uptake values.

        Voxels are sampled once: the scanner's blur, wider than they are, hides the difference.
        """
        table = np.array([TISSUES[tissue].uptake for tissue in Tissue], dtype=np.float32)
        values = np.empty(math.prod(self.grid.size), dtype=np.float32)
        for part, shares in tissue_shares(self.anatomy, self.grid, max(self.grid.spacing)):
            values[part] = np.einsum("t,tv->v", table, shares)
        return values.reshape(self._shape)

    def random(self, name: str) -> np.random.Generator:
        """Random numbers for one image, the same whichever others are asked for."""
        return np.random.default_rng([self.seed, crc32(name.encode())])

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(reversed(self.grid.size))

    def _pass(self, wanted: list[str]) -> tuple[dict[str, Floats], NDArray[np.uint8]]:
        table = np.array([self.scanner.sequences[name].brightness() for name in wanted], dtype=np.float32)
        table = table.reshape(len(wanted), len(Tissue))
        total = math.prod(self.grid.size)
        values = np.empty((len(wanted), total), dtype=np.float32)
        labels = np.empty(total, dtype=np.uint8)
        for part, shares in tissue_shares(self.anatomy, self.grid):
            values[:, part] = np.einsum("ct,tv->cv", table, shares)
            labels[part] = shares.argmax(axis=0)
        images = {name: image.reshape(self._shape) for name, image in zip(wanted, values, strict=True)}
        return images, labels.reshape(self._shape)

    def _coil(self) -> Floats | None:
        if not self.bias_field:
            return None
        return artefacts.sensitivity(self.grid, self.bias_field, self.random("coil"))

    def _received(self, name: str, values: Floats, coil: Floats | None) -> Floats:
        # Both diffusion images come from one acquisition and have its noise.
        measured = "DWI" if name == UNWEIGHTED else name
        reference = abs(float(self.scanner.sequences[measured].brightness()[Tissue.WHITE_MATTER]))
        seen = values if coil is None else values * coil
        return artefacts.rician(seen, self.noise * reference, self.random(name))

    def _diffusion_map(self, unweighted: Floats, weighted: Floats) -> NDArray[np.uint16]:
        sequence = self.scanner.sequences["DWI"]
        values = signal.apparent_diffusion(unweighted, weighted, sequence.b_value)
        values[unweighted < ADC_THRESHOLD * sequence.gain] = 0
        return np.rint(np.clip(values, 0, LARGEST_ADC)).astype(np.uint16)
