"""Simulated scans of a discrete anatomical model, by the spin-echo equation.

Each voxel's signal is that of its tissue, ρ · (1 − exp(−TR / T1)) · exp(−TE / T2); a Gaussian mixes neighbours as
partial volume does (the signal is linear in the tissues' shares, so that blurring it is blurring them); the receiver
adds Rician noise. No bias field, no motion: simulated images are easier than a scanner's.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.phantom import artefacts, signal
from InvertibleFusionLib.training.data.normalization import Clipped, Normalization
from InvertibleFusionLib.training.data.patients import PatientSlices
from InvertibleFusionLib.training.data.selection import SliceSelection
from InvertibleFusionLib.training.data.simulated import SimulatedScanner, Simulation
from InvertibleFusionLib.volumes.slices import SliceStack, slice_axis
from InvertibleFusionLib.volumes.volume import Volume

MILLISECONDS = 1000.0
COLUMNS = ("label", "rho", "T1_s", "T2_s")
Slices = NDArray[np.float32]
Tissues = dict[int, tuple[float, float, float]]
"""Of each label the proton density, and T1 and T2 in ms."""


def read_tissues(path: Path) -> Tissues:
    """The tissues of a table.

    Raises:
        ConfigurationError: when it cannot be read, lacks a column, or has numbers that no tissue has.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
        tissues = {
            int(row["label"]): (float(row["rho"]), MILLISECONDS * float(row["T1_s"]), MILLISECONDS * float(row["T2_s"]))
            for row in rows
        }
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The table of tissues {path} cannot be read: {error}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"The table of tissues {path} needs numbers in the columns {', '.join(COLUMNS)} ({error})."
        ) from error
    wrong = [label for label, (rho, t1, t2) in tissues.items() if rho < 0 or (rho > 0 and min(t1, t2) <= 0)]
    if not tissues or wrong:
        raise ConfigurationError(f"The table of tissues {path} has no sound numbers for the labels {wrong}.")
    return tissues


def brightness(tissues: Tissues, repetition_time: float, echo_time: float) -> NDArray[np.float64]:
    """The spin-echo signal of each label, (largest label + 1,); 0 where there is no tissue. Times in ms."""
    table = np.zeros(max(tissues) + 1)
    for label, (rho, t1, t2) in tissues.items():
        if rho > 0:
            density, longitudinal, transverse = (np.asarray(value) for value in (rho, t1, t2))
            table[label] = signal.spin_echo(density, longitudinal, transverse, repetition_time, echo_time)
    return table


@dataclass(frozen=True)
class DiscreteModel:
    """Labels and what they stand for.

    Attributes:
        labels: (slices, rows, columns), whole numbers; axial.
        spacing: between slices, rows and columns, in mm.
        tissues: of the labels.
    """

    labels: NDArray[Any]
    spacing: tuple[float, float, float]
    tissues: Tissues

    @classmethod
    def read(cls, simulation: Simulation, folder: Path) -> "DiscreteModel":
        """Read labels and table.

        Raises:
            InvertibleFusionError: when one cannot be read, a label is not in the table, or a slab not in the volume.
        """
        volume, tissues = Volume.read(folder / simulation.labels), read_tissues(folder / simulation.tissues)
        axis = slice_axis(volume.grid, "axial")
        unknown = sorted(set(np.unique(volume.array).tolist()) - tissues.keys())
        if unknown:
            raise ConfigurationError(f"{simulation.tissues} has no tissue for the labels {unknown} of {volume.name}.")
        labels = SliceStack(volume.grid, axis, 1).slices(volume.array.astype(np.uint16))
        last = max(slab[1] for slab in simulation.slabs)
        if last >= len(labels):
            raise ConfigurationError(f"{volume.name} has the axial slices 0 to {len(labels) - 1}, no {last}.")
        i, j, k = volume.grid.spacing
        rows_and_columns = [value for a, value in enumerate((k, j, i)) if a != axis]
        return cls(labels, ((k, j, i)[axis], rows_and_columns[0], rows_and_columns[1]), tissues)

    def noise_free(self, times: Sequence[float], blur: float) -> Slices:
        """The blurred signal of the whole head, (slices, rows, columns); times in ms, full width of the blur in mm."""
        image = brightness(self.tissues, *times)[self.labels].astype(np.float32)
        if blur:
            spaced = sitk.GetImageFromArray(image)
            spaced.SetSpacing(self.spacing[::-1])
            variance = (blur / artefacts.FWHM_PER_SIGMA) ** 2
            image = sitk.GetArrayFromImage(sitk.DiscreteGaussian(spaced, [variance] * 3, 64, 0.001, True))
        return np.asarray(image)


def simulate(
    simulation: Simulation,
    scanner: SimulatedScanner,
    contrasts: Sequence[str],
    folder: Path,
    normalize: Normalization,
    selection: SliceSelection,
) -> PatientSlices:
    """Scan the slabs with one scanner; the study is called "simulated SCANNER".

    Args:
        simulation: what to simulate.
        scanner: one of its scanners.
        contrasts: which ones, in this order; the noise of a contrast does not depend on the others.
        folder: that the simulation's paths are relative to.
        normalize: applied to each contrast of the whole head, as to a scan; slabs normalized by themselves would differ
            in scale by what they happen to show, which no source tells of the target.
        selection: of slices.

    Raises:
        InvertibleFusionError: as ``DiscreteModel.read``, and for contrasts that the scanner does not make.
    """
    _require_contrasts(scanner, contrasts)
    model = DiscreteModel.read(simulation, folder)
    slabs = _slices_of(simulation)
    images = np.stack(
        [normalize(_received(model, simulation, scanner, contrast)[1])[slabs] for contrast in contrasts], axis=1
    )
    chosen = selection.chosen(images, None)
    return PatientSlices(f"simulated {scanner.name}", images[chosen], None, tuple(contrasts))


class SimulatedTarget(NamedTuple):
    """A contrast with its noise and without, all on one scale, (slices, rows, columns) each.

    The mean over the noise is the best that a method can reach in the mean square: no source tells the noise itself.
    The noise-free signal is not: Rician noise has a mean above 0 in air, which can be learnt, so that a lookup table
    beats the signal there. Both hold before images are clipped at 1; the brightest voxels in a thousand are.

    Attributes:
        received: with its noise.
        mean: over the noise.
        noise_free: the signal itself.
    """

    received: Slices
    mean: Slices
    noise_free: Slices


def simulated_target(
    simulation: Simulation, scanner: SimulatedScanner, target: str, folder: Path, normalize: Clipped
) -> SimulatedTarget:
    """All slices of the slabs, with the noise that ``simulate`` gives them and without.

    Args:
        simulation: whose target it is.
        scanner: one of its scanners.
        target: a contrast.
        folder: as for ``simulate``.
        normalize: of the study; what has no noise is scaled as the noisy target is.

    Raises:
        InvertibleFusionError: as ``simulate``.
    """
    _require_contrasts(scanner, [target])
    model = DiscreteModel.read(simulation, folder)
    free, noisy = _received(model, simulation, scanner, target)
    mean = mean_magnitude(free, _sigma(model, scanner, target))
    slabs = _slices_of(simulation)
    return SimulatedTarget(*(normalize.scaled_like(each, noisy)[slabs] for each in (noisy, mean, free)))


def mean_magnitude(signal: Slices, sigma: float) -> Slices:
    """The mean of Rician noise about a signal, by Rice's formula (Gudbjartsson and Patz 1995).

    σ·√(π/2)·e^(−x)·((1 + 2x)·I₀(x) + 2x·I₁(x)) with x = signal² / 4σ²; I₀, I₁ are modified Bessel functions.

    Args:
        signal: of any shape.
        sigma: of the noise in each channel of the receiver, in the signal's units.
    """
    if sigma == 0:
        return np.abs(signal)
    x = torch.from_numpy(np.asarray(signal, np.float64) ** 2 / (4 * sigma**2))
    scaled = (1 + 2 * x) * torch.special.i0e(x) + 2 * x * torch.special.i1e(x)
    return np.asarray(sigma * math.sqrt(math.pi / 2) * scaled.numpy(), dtype=np.float32)


def _require_contrasts(scanner: SimulatedScanner, contrasts: Sequence[str]) -> None:
    missing = [contrast for contrast in contrasts if contrast not in scanner.times]
    if missing:
        raise ConfigurationError(
            f"the simulated scanner {scanner.name!r} makes {', '.join(scanner.times)}, no {', '.join(missing)}."
        )


def _received(
    model: DiscreteModel, simulation: Simulation, scanner: SimulatedScanner, contrast: str
) -> tuple[Slices, Slices]:
    """One contrast of the whole head without and with noise, (slices, rows, columns)."""
    free = model.noise_free(scanner.times[contrast], simulation.blur)
    generator = np.random.default_rng([simulation.seed, crc32(f"{scanner.name}/{contrast}".encode())])
    return free, artefacts.rician(free, _sigma(model, scanner, contrast), generator)


def _slices_of(simulation: Simulation) -> list[int]:
    """The numbers of all slices of its slabs."""
    return [number for first, last in simulation.slabs for number in range(first, last + 1)]


def _sigma(model: DiscreteModel, scanner: SimulatedScanner, contrast: str) -> float:
    """Of the noise, in the signal's units."""
    return scanner.noise * float(brightness(model.tissues, *scanner.times[contrast]).max())
