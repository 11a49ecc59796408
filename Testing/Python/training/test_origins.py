"""Every kind of data through the whole command: batches, validation, measures, model file."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.models.model_file import read_model
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import DataSource, loading
from InvertibleFusionLib.training.data.phantoms import PhantomStock, Slab

Sources = tuple[DataSource, DataSource]
SMALL = Slab(columns=30, rows=36, slices=2, spacing=(5.0, 5.0), thickness=(10.0, 10.0), lowest=(0.0, 10.0))


def pictures(count: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, channels, 26, 23))


def manifest(folder: Path) -> Sources:
    lines = ["patient,split,T1Gd,FLAIR,mask"]
    for patient, split, mask in (("one", "a", ""), ("three", "b", "three/lesion.nii.gz")):
        lines.append(f"{patient},{split},{patient}/T1Gd.nii.gz,{patient}/FLAIR.nii.gz,{mask}")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    training, validation = (DataSource("m", "", "", manifest=Path("cases.csv"), split=split) for split in "ab")
    return training, validation


def h5(folder: Path) -> Sources:
    h5py = pytest.importorskip("h5py", reason="h5py is in the training extra, which is not installed")
    for name, count in (("training", 4), ("validation", 2)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"] = pictures(count, 4)
    return DataSource("h", "", "", h5=Path("training.h5")), DataSource("h", "", "", h5=Path("validation.h5"))


def png(folder: Path) -> Sources:
    for number, name in enumerate(("2001", "2002", "4001", "4002")):
        for channel, contrast in enumerate(("T1Gd", "FLAIR")):
            (folder / "pairs" / contrast).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pictures(4, 2)[number, channel].astype(np.uint8)).save(
                folder / "pairs" / contrast / f"{name}.png"
            )
    training, validation = (DataSource("p", "", "", png=Path("pairs"), cases=[case]) for case in "24")
    return training, validation


def phantom(folder: Path) -> Sources:
    return DataSource("s", "", "", phantoms=1), DataSource("s", "", "", phantoms=1, phantom_seed=1)


@pytest.mark.parametrize("make", [manifest, h5, png, phantom], ids=lambda make: make.__name__)
def test_every_origin_trains(
    make: Callable[[Path], Sources],
    configuration: TrainingConfiguration,
    blocky_patients: Path,
    tmp_path: Path,
    write_yaml: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "PhantomStock", partial(PhantomStock, slab=SMALL))
    for patient in ("one", "three"):
        (tmp_path / patient).symlink_to(blocky_patients / patient)
    training, validation = make(tmp_path)
    own = {"training": [training], "validation": [validation], "data_folder": tmp_path}
    settings = replace(configuration, **own, steps=2, validation_slices=1)  # type: ignore[arg-type]
    out = tmp_path / "tiny.safetensors"
    assert main(["train", str(write_yaml(settings)), "--out", str(out)]) == 0
    card = read_model(out).card
    assert card.training["data"] == [{**training.to_json(), "name": training.name}]
    assert card.metrics
    assert any("lesion" in metric["name"] for metric in card.metrics) == (make in (manifest, phantom))
