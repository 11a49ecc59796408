"""The demonstration: a phantom patient's ADC and FLAIR, fused, taken apart both ways, pictured and explained."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from InvertibleFusionLib.evaluation.montage import MontageRow, write_montage
from InvertibleFusionLib.evaluation.report import SourceFigures, write_report
from InvertibleFusionLib.inference.decomposition import Decomposition, decompose
from InvertibleFusionLib.inference.fusion import Fusion, fuse
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.phantom import Patient, Tissue, clinical_flair_grid, default_grid
from InvertibleFusionLib.volumes.grid import Grid, describe_difference
from InvertibleFusionLib.volumes.resampling import resample
from InvertibleFusionLib.volumes.volume import Volume
from InvertibleFusionLib.volumes.writing import staged, write_into_stage

OnStage = Callable[[str], None]
SAMPLES = 8
TUMOUR = (Tissue.OEDEMA, Tissue.TUMOUR_RIM, Tissue.TUMOUR_CORE)


@dataclass(frozen=True)
class _Parts:
    """Everything the demonstration makes before it is written."""

    patient: Patient
    sources: list[Volume]
    labels: Volume
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
        rows = _rows(parts)
        title = f"Phantom patient {seed} (simulated): fused by {model.card.name}, axial slice through the tumour"
        write_montage(rows, parts.fusion.image, parts.patient.lesion_centre, title, stage / "montage.png")
        figures = [_figures(row, parts.labels) for row in rows]
        difference = describe_difference(parts.sources[0].grid, parts.sources[1].grid)
        write_report(figures, difference, parts.fusion.record, SAMPLES, stage / "montage.png", stage / "report.html")


def _make(model: Model, seed: int, grids: tuple[Grid, Grid], on_stage: OnStage) -> _Parts:
    patient = Patient.from_seed(seed)
    on_stage("scanning the phantom patient")
    scans = patient.acquire_all(["ADC"], grids[0], labels=True)
    sources = [scans["ADC"], patient.acquire("FLAIR", grids[1])]
    on_stage("fusing ADC and FLAIR")
    fusion = fuse(model, sources, resample=True)
    on_stage("taking the fused image apart, exactly")
    exact = decompose(model, fusion.image, latent=fusion.latent)
    on_stage("taking it apart from the image alone")
    seen = decompose(model, fusion.image, samples=SAMPLES)
    return _Parts(patient, sources, scans["labels"], fusion, exact, seen)


def _volumes(parts: _Parts) -> dict[str, Volume]:
    own = {"ADC": parts.sources[0], "FLAIR": parts.sources[1]}
    return {**own, **parts.fusion.named_volumes(), **parts.exact.named_volumes(), **parts.seen.named_volumes()}


def _rows(parts: _Parts) -> list[MontageRow]:
    grid = parts.sources[0].grid
    flair = resample(parts.sources[1], grid).renamed("FLAIR, resampled")
    rows = []
    for source, exact, seen in zip((parts.sources[0], flair), parts.exact.sources, parts.seen.sources, strict=True):
        assert seen.spread is not None  # there are several samples
        rows.append(MontageRow(source, exact.mean, seen.mean, seen.spread))
    return rows


def _figures(row: MontageRow, labels: Volume) -> SourceFigures:
    """Numbers for the report, over the head and over tumour and oedema, which the phantom knows."""
    source, error = row.source.array.astype(np.float64), row.error.array
    head = labels.array != Tissue.AIR
    tumour = np.isin(labels.array, TUMOUR)
    return SourceFigures(
        name=row.source.name,
        units=row.source.units,
        value_range=float(np.ptp(source)),
        exact_largest=row.largest_exact_error,
        head_error=float(error[head].mean()),
        tumour_error=float(error[tumour].mean()),
        head_spread=float(row.spread.array[head].mean()),
        head_mean=float(source[head].mean()),
    )
