"""A colour image fused by the command: hues stay, the fused image is the luminance, and that comes back exactly."""

from pathlib import Path

import numpy as np
import pytest
from skimage.color import rgb2ycbcr

from InvertibleFusionLib import Volume, fuse, load_model
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.inference.colour_fusion import in_colour, to_fuse
from InvertibleFusionLib.volumes.colour import luminance
from InvertibleFusionLib.volumes.grid import same_grid

SHAPE = (3, 15, 12)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A grey scan, and pale colours, whose chroma fits any luminance."""
    generator = np.random.default_rng(0)
    spacing = (1.1, 0.9, 4.0)
    pet = Volume((110 + 40 * generator.random((*SHAPE, 3))).astype(np.uint8), spacing, name="PET")
    grey = Volume((500 * generator.random(SHAPE)).astype(np.float32), spacing, name="T1")
    paths = tmp_path / "T1.nrrd", tmp_path / "PET.nrrd"
    for path, volume in zip(paths, (grey, pet), strict=True):
        volume.write(path)
    return paths


def test_the_command_fuses_the_luminance_and_keeps_the_chroma(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["fuse", *map(str, files), "--out", str(out)]) == 0
    assert "luminance was fused" in capsys.readouterr().out
    fused, coloured, pet = (Volume.read(path) for path in (out / "fused.nrrd", out / "fused-colour.nrrd", files[1]))
    assert (fused.components, coloured.components, coloured.array.dtype) == (1, 3, np.uint8)
    assert same_grid(coloured.grid, fused.grid)
    assert coloured.record is not None
    assert (coloured.record["result"]["kind"], coloured.record["task"]) == ("fused-colour", "fuse")
    after, before = rgb2ycbcr(coloured.array), rgb2ycbcr(pet.array)
    fitting = (fused.array > 0.2) & (fused.array < 0.8)  # elsewhere the colours are cut to their range
    assert fitting.mean() > 0.3
    np.testing.assert_allclose(after[..., 0][fitting], 16 + 219 * fused.array[fitting], atol=0.6)
    np.testing.assert_allclose(after[..., 1:][fitting], before[..., 1:][fitting], atol=0.6)
    latent = out / "latent.nrrd"
    assert main(["decompose", str(out / "fused.nrrd"), "--latent", str(latent), "--out", str(tmp_path / "back")]) == 0
    [back] = [Volume.read(path) for path in (tmp_path / "back").iterdir() if "luminance" in path.name]
    assert np.abs(back.array - luminance(pet).array).max() <= 1e-5
    assert main(["decompose", str(out / "fused-colour.nrrd"), "--out", str(tmp_path / "no")]) == 1
    assert "Give the fused image" in capsys.readouterr().err


def test_colours_on_a_grid_of_their_own_are_brought_onto_the_fused_images(files: tuple[Path, Path]) -> None:
    scan, pet = (Volume.read(path) for path in files)
    coarse = Volume(scan.array[:, ::2, ::2].copy(), (2.2, 1.8, 4.0), name="T1")
    fusion = fuse(load_model("fusioninn-t1gd-flair"), to_fuse([coarse, pet]), resample=True)
    coloured = in_colour(fusion, [coarse, pet])
    assert coloured is not None
    assert same_grid(coloured.grid, coarse.grid)
    assert coloured.array.dtype == np.uint8


def test_grey_sources_stay_as_they_are(files: tuple[Path, Path]) -> None:
    scan = Volume.read(files[0])
    sources = [scan, scan.renamed("FLAIR")]
    assert to_fuse(sources) == sources
    assert in_colour(fuse(load_model("fusioninn-t1gd-flair"), sources), sources) is None
