"""The files that Slicer's build and its Extensions Index read, against what these check and nobody tells in time."""

import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "InvertibleFusion"
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.1.json#"
)
# Facts of that schema: every key it allows with its type; it allows no others and requires three.
ALLOWED = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
LARGEST_CHECKOUT = 100 * 2**20
# What the library uses for training, measuring and the command line, or where it is there.
OPTIONAL = {
    "yaml", "tqdm", "numba", "jsonargparse", "lightning_fabric", "matplotlib", "h5py", "torchmetrics", "skimage",
    "jinja2", "tensorboard", "FrEIA", "scipy", "click",
}  # fmt: skip


@pytest.fixture(scope="module")
def entry() -> dict[str, object]:
    text = (ROOT / "InvertibleFusion.json").read_bytes()
    assert b"\r" not in text
    return dict(json.loads(text))


@pytest.fixture(scope="module")
def cmake() -> str:
    return (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


def setting(cmake: str, name: str) -> str:
    """A quoted setting on one line, as the index's checks find it."""
    found = re.findall(rf'^set\({name} "([^"\n]+)"\)$', cmake, re.MULTILINE)
    assert len(found) == 1, f"{name} is not set once, quoted, on one line"
    return str(found[0])


def test_the_index_entry_is_one_that_the_schema_allows(entry: dict[str, object]) -> None:
    assert entry["$schema"] == SCHEMA
    assert {"$schema", "category", "scm_url"} <= entry.keys() <= ALLOWED.keys()
    assert all(type(value) is ALLOWED[key] for key, value in entry.items())
    assert entry["category"] == "Image Synthesis"  # of the index's list of accepted categories
    assert isinstance(entry["tier"], int)
    assert 1 <= entry["tier"] <= 5


def test_the_repository_has_a_name_that_the_index_accepts(entry: dict[str, object]) -> None:
    address = urlsplit(str(entry["scm_url"]))
    assert address.scheme == "https"
    assert Path(address.path).stem.startswith("Slicer")
    assert not (ROOT / "InvertibleFusion.json").stem.startswith("Slicer")


def test_the_index_entry_and_the_build_say_the_same(entry: dict[str, object], cmake: str) -> None:
    assert re.findall(r"project\s*\(\s*([^\s)]+)", cmake) == ["InvertibleFusion"]
    assert setting(cmake, "EXTENSION_DEPENDS").split() == entry["build_dependencies"]
    assert setting(cmake, "EXTENSION_HOMEPAGE") + ".git" == entry["scm_url"]
    assert "EXTENSION_CATEGORY" not in cmake  # the index entry alone says it
    assert "research use only" in setting(cmake, "EXTENSION_DESCRIPTION").lower()


def test_pictures_of_the_extension_are_files_of_this_repository(cmake: str) -> None:
    raw = setting(cmake, "EXTENSION_HOMEPAGE").replace("github.com", "raw.githubusercontent.com") + "/main/"
    pictures = [setting(cmake, "EXTENSION_ICONURL"), *setting(cmake, "EXTENSION_SCREENSHOTURLS").split()]
    for picture in pictures:
        assert picture.startswith(raw)
        assert (ROOT / picture.removeprefix(raw)).is_file(), f"{picture} names no file of the repository"


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.name
)
def test_links_and_pictures_of_the_documents_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
    missing = [
        target for target in targets if "://" not in target and not (ROOT / page).parent.joinpath(target).exists()
    ]
    assert not missing, f"{page} links to {missing}"


def test_the_icon_is_as_large_as_slicer_asks_for() -> None:
    data = (MODULE / "Resources/Icons/InvertibleFusion.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (128, 128)


def test_every_folder_with_modules_is_built(cmake: str) -> None:
    folders = {path.parent.name for path in ROOT.glob("*/CMakeLists.txt")}
    assert folders == set(re.findall(r"add_subdirectory\((\w+)\)", cmake))
    assert not (ROOT / "__init__.py").exists()  # Slicer would take the repository for a package


def test_requirements_leave_slicers_own_packages_alone() -> None:
    lines = (MODULE / "Resources/requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9-]+>=[0-9.]+", line) for line in requirements), "lower bounds only"
    bounds = dict(line.lower().split(">=") for line in requirements)
    assert bounds.keys() == {"torch", "safetensors"}  # numpy and SimpleITK are Slicer's: pip must not replace them
    said = re.findall(r'^    "([\w.-]+)(?:\[.*\])?>=([0-9.]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert bounds.items() <= {(name.lower(), bound) for name, bound in said}


def test_a_checkout_is_small_enough_for_the_index() -> None:
    folders = ("InvertibleFusion", "InvertibleFusionLib", "Resources", "Testing", "docs")
    kept = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in kept) < LARGEST_CHECKOUT


def test_fusing_needs_nothing_but_the_requirements_and_what_slicer_brings() -> None:
    """Everything else that the development environment has is hidden, as in a fresh Slicer."""
    brought = {"torch", "safetensors", "numpy", "SimpleITK"}
    program = f"""
import sys
others = {sorted(OPTIONAL)!r}
sys.modules.update(dict.fromkeys(others))
import numpy as np
from InvertibleFusionLib import Volume, decompose, fuse, load_model
draw = np.random.default_rng(0)
sources = [Volume(draw.random((2, 16, 16)).astype("float32"), name=name) for name in ("T1Gd", "FLAIR")]
fusion = fuse(load_model("fusioninn-t1gd-flair"), sources)
exact = decompose(load_model("fusioninn-t1gd-flair"), fusion.image, latent=fusion.latent)
print(float(abs(exact.sources[0].mean.array - sources[0].array).max()))
"""
    assert not OPTIONAL & brought
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-4
