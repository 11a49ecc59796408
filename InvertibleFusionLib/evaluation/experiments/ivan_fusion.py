"""Fusion and the way back in "Variable Augmented Network for …": its tables III and IV."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from InvertibleFusionLib.evaluation.experiments.definition import Column, Experiment, Learner, Part
from InvertibleFusionLib.evaluation.experiments.ivan_synthesis import (
    COLOURS,
    from_t1_and_pd,
    ivan,
    pet_part,
    unets,
)
from InvertibleFusionLib.evaluation.laplacian_pyramid import fuse_by_laplacian_pyramid
from InvertibleFusionLib.training.data.png_pairs import read_png
from InvertibleFusionLib.volumes.writing import staged

PAIRS = Path("harvard_aanlib/CT-MRI")
LABEL = "fused"
DATA = (
    "The paper has T2 and CT of the Harvard atlas and does not say how its fused labels were made. Taken here: CT and "
    "MR pairs of the atlas, parted by case, and as the label the Laplacian pyramid's fusion."
)
QUALITY_COLUMNS = (
    Column("AG", ("AG, grey levels of 255",), digits=2, remark="the paper's equation 14 has no ½.", noise_raises=True),
    Column("SF", ("SF, grey levels of 255",), digits=2, noise_raises=True),
    Column("EN", ("EN, bits",), digits=3, noise_raises=True),
    Column("Q_MI", ("Q_MI",)),
    Column("Q_ab/f", ("Q_P",), remark="the paper's equation 18 is Piella's index."),
)
TABLE_3 = {
    "iVAN": (11.3779, 39.0257, 4.8530, 0.7094, 0.5937),
    "LP-SR": (9.3826, 36.9809, 4.2533, 0.6984, 0.5930),
    "LRD": (9.3319, 34.2692, 5.0014, 0.7016, 0.4800),
    "CS-MCA": (8.2714, 35.0354, 4.5341, 0.6746, 0.5760),
    "LP-CNN": (6.5648, 24.5249, 5.9304, 0.5919, 0.5002),
}


def table_3() -> Experiment:
    """Fusing MR and CT towards a label."""
    published = {
        name: {column.symbol: value for column, value in zip(QUALITY_COLUMNS, values, strict=True)}
        for name, values in TABLE_3.items()
    }
    learners = (ivan((1, 1)), unets((1, 1))[1])
    remark = (
        "LP-SR, LRD, CS-MCA and LP-CNN are not made here; the Laplacian pyramid is LP-SR without its dictionary step. "
        "Its result is the label that the networks learn to imitate: they can come near it, and where they are ahead "
        "of it they are so by deviating from what they were taught."
    )
    part = replace(_fusion_part(learners), columns=QUALITY_COLUMNS, published=published, measured="fusion")
    return Experiment("ivan-table3", "fusing MR and CT", (part,), 120, 4000, remark)


def table_4() -> Experiment:
    """The sources again, by both ways back."""
    own = "iVAN, round trip from the full output"
    synthesis = _back(
        from_t1_and_pd((ivan((1, 1)),)),
        {own: {"T1, PSNR": 56.0053, "PD, PSNR": 58.0174, "T1, SSIM": 0.9993, "PD, SSIM": 0.9969}},
    )
    pet = _back(pet_part((ivan((1,), (3,)),)), {own: {"MRI, PSNR": 66.0272, "MRI, SSIM": 0.9997}})
    fusion = _back(
        _fusion_part((ivan((1, 1)),)),
        {own: {"MRI, PSNR": 59.8782, "CT, PSNR": 64.8058, "MRI, SSIM": 0.9978, "CT, SSIM": 0.9996}},
    )
    remark = (
        "The paper inverts the network's own full output, clamped to [0, 1], a round trip: its figures are the error "
        "of clamping. Here nothing is clamped: the round trip shows that the arithmetic lost nothing. "
        "What the target image alone tells of the sources is the second row of each table, and not in the paper."
    )
    return Experiment("ivan-table4", "the sources again", (synthesis, pet, fusion), 90, 4000, remark)


def with_labels(data_folder: Path, prepared: Path) -> Path:
    """The CT and MR pairs with a fused label for each, in a new folder; the data folder is not touched.

    Returns:
        The folder that stands in for the data folder.
    """
    out = prepared / PAIRS
    if not (out / LABEL).is_dir():
        with staged(out) as stage:
            for contrast in ("CT", "MRI"):
                shutil.copytree(data_folder / PAIRS / contrast, stage / contrast)
            (stage / LABEL).mkdir()
            for file in sorted((stage / "MRI").glob("*.png")):
                sources = np.stack([read_png(stage / contrast / file.name) for contrast in ("MRI", "CT")])
                grey = np.round(255 * fuse_by_laplacian_pyramid(sources)).astype(np.uint8)
                sitk.WriteImage(sitk.GetImageFromArray(grey), str(stage / LABEL / file.name))
    return prepared


def _fusion_part(learners: tuple[Learner, ...]) -> Part:
    return Part(
        "MR + CT",
        ("MRI", "CT"),
        (),
        learners,
        ("harvard-ct-training",),
        ("harvard-ct-validation",),
        DATA,
        targets=(LABEL,),
        prepare=with_labels,
    )


def _back(part: Part, published: dict[str, dict[str, float]]) -> Part:
    several = len(part.sources) > 1
    columns = [
        Column(f"{name}, {symbol}", (f"{symbol}{f' of {name}' if several else ''}{unit}",), digits=digits)
        for symbol, unit, digits in (("PSNR", ", dB", 2), ("SSIM", "", 4))
        for name in part.sources
    ]
    target = "PET" if part.targets == COLOURS else part.targets[0]
    return replace(
        part,
        title=f"{target} → {' + '.join(part.sources)}",
        columns=tuple(columns),
        measured="way back",
        published=published,
        oracle=False,
    )
