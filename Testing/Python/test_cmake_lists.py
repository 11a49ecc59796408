"""What CMake installs into Slicer against what is on disk: a file that is not listed is missing there, silently."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTED = ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES")
FOLDERS = sorted(path.parent for path in ROOT.glob("InvertibleFusion*/CMakeLists.txt"))


def listed(folder: Path) -> list[str]:
    text = re.sub(r"#.*", "", (folder / "CMakeLists.txt").read_text(encoding="utf-8"))
    found: list[str] = []
    for name in LISTED:
        match = re.search(rf"set\({name}\s([^)]*)\)", text)
        assert match, f"{folder.name}/CMakeLists.txt sets no {name}"
        found += match[1].split()
    return found


def test_the_library_has_a_list() -> None:
    assert ROOT / "InvertibleFusionLib" in FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_file_is_listed_once_and_nothing_else(folder: Path) -> None:
    names = listed(folder)
    on_disk = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "CMakeLists.txt"
    }
    assert on_disk - set(names) == set(), f"add these to {folder.name}/CMakeLists.txt"
    assert set(names) - on_disk == set(), f"take these out of {folder.name}/CMakeLists.txt"
    assert len(names) == len(set(names))
    assert names == [*sorted(n for n in names if n.endswith(".py")), *sorted(n for n in names if not n.endswith(".py"))]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_path_leaves_its_folder(folder: Path) -> None:
    assert not [name for name in listed(folder) if ".." in Path(name).parts]  # such files are not installed
