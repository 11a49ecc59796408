"""The demonstration: a phantom patient's ADC and FLAIR, fused, taken apart both ways, pictured and explained."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.evaluation.montage import MontageRow, write_montage
from InvertibleFusionLib.evaluation.report import SourceFigures, write_report
from InvertibleFusionLib.inference.decomposition import Decomposition, decompose
from InvertibleFusionLib.inference.fusion import Fusion, fuse
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.phantom import Patient, clinical_flair_grid, default_grid
from InvertibleFusionLib.volumes.grid import Grid, describe_difference
from InvertibleFusionLib.volumes.resampling import resample
from InvertibleFusionLib.volumes.volume import Volume
from InvertibleFusionLib.volumes.writing import staged, write_into_stage

OnStage = Callable[[str], None]
LESION_RADIUS_MM = 20.0
SAMPLES = 8


@dataclass(frozen=True)
class _Parts:
    """Everything the demonstration makes before it is written."""

    patient: Patient
    sources: list[Volume]
    on_grid: list[Volume]
    fusion: Fusion
    exact: Decomposition
    seen: Decomposition


def run_demo(model: Model, out: Path, seed: int, on_stage: OnStage, grids: tuple[Grid, Grid] | None = None) -> None:
    """Make the demonstration in a folder: volumes, ``montage.png`` and ``report.html``.

    The FLAIR lies on a thick-slice, shifted, oblique grid of its own, as in clinics, and is resampled onto ADC's.

    Args:
        model: a fusion model.
        out: the folder.
        seed: of the phantom patient; the same seed gives the same voxels.
        on_stage: called with what is being done.
        grids: of ADC and FLAIR; an axial one and a thick oblique one where None.

    Raises:
        OutputError: when the folder cannot be written.
    """
    with staged(out) as stage:
        parts = _make(model, seed, grids or (default_grid(), clinical_flair_grid()), on_stage)
        on_stage("writing volumes, montage and report")
        for name, volume in _volumes(parts).items():
            write_into_stage(volume, stage / f"{name}.nrrd")
        rows = [
            MontageRow(source, exact.mean, seen.mean, seen.spread)
            for source, exact, seen in zip(parts.on_grid, parts.exact.sources, parts.seen.sources, strict=True)
            if seen.spread is not None
        ]
        title = f"Phantom patient {seed} (simulated): fused by {model.card.name}, axial slice through the tumour"
        write_montage(rows, parts.fusion.image, parts.patient.lesion_centre, title, stage / "montage.png")
        figures = [_figures(row, parts.patient) for row in rows]
        difference = describe_difference(parts.sources[0].grid, parts.sources[1].grid)
        write_report(figures, difference, parts.fusion.record, SAMPLES, stage / "montage.png", stage / "report.html")


def _make(model: Model, seed: int, grids: tuple[Grid, Grid], on_stage: OnStage) -> _Parts:
    on_stage("scanning the phantom patient")
    patient = Patient.from_seed(seed)
    sources = [patient.acquire("ADC", grids[0]), patient.acquire("FLAIR", grids[1])]
    on_stage("fusing ADC and FLAIR")
    fusion = fuse(model, sources, resample=True)
    on_stage("taking the fused image apart, exactly")
    exact = decompose(model, fusion.image, latent=fusion.latent)
    on_stage("taking it apart from the image alone")
    seen = decompose(model, fusion.image, samples=SAMPLES)
    flair = resample(sources[1], sources[0].grid).renamed("FLAIR, resampled")
    return _Parts(patient, sources, [sources[0], flair], fusion, exact, seen)


def _volumes(parts: _Parts) -> dict[str, Volume]:
    volumes = {"ADC": parts.sources[0], "FLAIR": parts.sources[1]}
    volumes |= {"fused": parts.fusion.image, "latent": parts.fusion.latent}
    for number, (source, exact, seen) in enumerate(
        zip(parts.sources, parts.exact.sources, parts.seen.sources, strict=True), 1
    ):
        volumes[f"exact-{number}-{source.name}"] = exact.mean
        volumes[f"mean-{number}-{source.name}"] = seen.mean
        if seen.spread is not None:
            volumes[f"spread-{number}-{source.name}"] = seen.spread
    return volumes


def _figures(row: MontageRow, patient: Patient) -> SourceFigures:
    """Numbers for the report: over the head (where the source exceeds a tenth of its white) and round the tumour."""
    source = row.source.array.astype(np.float64)
    head = source > 0.1 * np.percentile(source, 99.8)
    tumour = _ball(row.source.grid, patient.lesion_centre, LESION_RADIUS_MM)
    error = row.error.array
    return SourceFigures(
        name=row.source.name,
        units=row.source.units,
        value_range=float(np.ptp(source)),
        exact_largest=float(np.abs(row.exact.array - source).max()),
        head_error=float(error[head].mean()),
        tumour_error=float(error[tumour & head].mean()),
        head_spread=float(row.spread.array[head].mean()),
        head_mean=float(source[head].mean()),
    )


def _ball(grid: Grid, centre: tuple[float, float, float], radius: float) -> NDArray[np.bool_]:
    """Voxels, (k, j, i), within a radius in mm of a place."""
    offset = (np.asarray(centre) - np.asarray(grid.origin)) @ grid.axes
    distance = np.zeros((1, 1, 1))
    for axis, count in enumerate(grid.size):
        along = np.arange(count) * grid.spacing[axis] - offset[axis]
        distance = distance + (along**2).reshape([-1 if 2 - axis == place else 1 for place in range(3)])
    return np.asarray(distance <= radius**2)
