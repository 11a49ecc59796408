"""The rules of the house, as the package's docstring states them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "InvertibleFusionLib"
MAY_IMPORT = {
    "errors": set(),
    "flows": set(),
    "models": {"flows", "kernels", "errors"},
    "kernels": {"flows"},
    "volumes": {"errors"},
    "phantom": {"volumes", "errors"},
    "inference": {"models", "kernels", "volumes", "errors"},
    "metrics": {"errors"},
    "training": {"inference", "models", "volumes", "metrics", "errors", "phantom"},
    "evaluation": {"training", "inference", "models", "volumes", "metrics", "errors", "phantom"},
    "commands": {"evaluation", "training", "inference", "models", "volumes", "phantom", "errors"},
    "mrml": {"inference", "models", "volumes", "errors"},
}
HOST = {"slicer", "vtk", "qt", "ctk"}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("layer", sorted(MAY_IMPORT))
def test_imports_run_downwards_only(layer: str) -> None:
    files = list((LIBRARY / layer).rglob("*.py")) or [LIBRARY / f"{layer}.py"]
    for path in files:
        if not path.exists():
            pytest.skip(f"{layer} does not exist yet")
        assert "InvertibleFusionLib" not in imports(path), f"{path} imports from the package's front door"
        ours = {name.split(".")[1] for name in imports(path) if name.startswith("InvertibleFusionLib.")}
        assert ours - {layer, "_version"} <= MAY_IMPORT[layer], path


def test_every_folder_has_its_place_in_the_layers() -> None:
    packages = [path.parent.relative_to(LIBRARY).parts for path in LIBRARY.rglob("__init__.py")]
    assert {parts[0] for parts in packages if parts} <= MAY_IMPORT.keys()
    assert not {name for parts in packages for name in parts} & {"utils", "helpers", "common", "core"}


def test_the_host_is_imported_by_the_mrml_layer_alone() -> None:
    for path in LIBRARY.rglob("*.py"):
        if "mrml" not in path.parts:
            assert not {name.split(".")[0] for name in imports(path)} & HOST, path


def test_importing_the_library_is_quick_and_light() -> None:
    code = (
        "import time; start = time.perf_counter(); import InvertibleFusionLib; took = time.perf_counter() - start;"
        "import sys; heavy = [m for m in ('torch', 'SimpleITK', 'monai', 'matplotlib', 'numpy') if m in sys.modules];"
        "print(took, *heavy)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    outputs = [run.stdout.split() for run in runs]
    assert all(len(output) == 1 for output in outputs), outputs
    assert min(float(output[0]) for output in outputs) <= 0.2


def test_the_first_slice_waits_for_no_package_that_it_does_not_need(model_file: Path) -> None:
    """Numba brings SciPy with it; the compiled kernels need it, nothing else does."""
    code = (
        "import sys, numpy;"
        "from InvertibleFusionLib import Settings, Volume, fuse, load_model;"
        "arrays = numpy.random.default_rng(0).random((2, 1, 8, 8));"
        "sources = [Volume(array, name=name) for array, name in zip(arrays, ('ADC', 'FLAIR'))];"
        "fuse(load_model(sys.argv[1]), sources, settings=Settings(device='cpu', kernel='products'));"
        "heavy = ('SimpleITK', 'numba', 'scipy', 'matplotlib', 'FrEIA', 'monai', 'h5py', 'lightning_fabric', 'jinja2',"
        "         'jsonargparse', 'tensorboard', 'torchmetrics', 'skimage', 'PIL');"
        "print('torch' in sys.modules, *(name for name in heavy if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(model_file)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]


def test_public_names_are_there() -> None:
    import InvertibleFusionLib

    for name in InvertibleFusionLib.__all__:
        assert getattr(InvertibleFusionLib, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = InvertibleFusionLib.nonsense
    assert "fuse" in dir(InvertibleFusionLib)


def test_nothing_prints_but_the_commands() -> None:
    for path in LIBRARY.rglob("*.py"):
        if path.name == "cli.py" or path.parent.name == "commands":
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"], path


def test_what_slicer_shows_before_torch_is_installed_needs_neither_torch_nor_safetensors() -> None:
    pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")
    code = (
        "import sys; sys.modules.update(torch=None, safetensors=None);"
        "from InvertibleFusionLib.mrml import grids, layout, preview, results, shown_slice, views, volumes;"
        "from InvertibleFusionLib.models.shipped import shipped_cards; print(len(shipped_cards()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) > 0
