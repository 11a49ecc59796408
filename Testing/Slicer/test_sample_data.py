"""The phantom in Slicer's module Sample Data, on the real MRML.

``StandIn`` keeps the contract of SampleData.py: lists of equal length, an entry that is there already is not added
again (entries are compared by their text), a press of the button calls the entry's own loader with the entry. Where
SLICER_SOURCE names a checkout of Slicer, its SampleData.py is used.
"""

import importlib
import importlib.util
import json
import os
import struct
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.provenance import record_of, units_of  # noqa: E402
from InvertibleFusionLib.mrml.volumes import volume_from_node  # noqa: E402
from InvertibleFusionLib.phantom import CONTRASTS, Patient  # noqa: E402
from InvertibleFusionLib.volumes.grid import Grid  # noqa: E402

ROOT = Path(__file__).parents[2]
SMALL = Grid((24, 28, 3), (3.0, 3.0, 5.0), (-80.0, -10.0, 20.0))


class StandIn:
    """SampleDataLogic, as far as extensions speak to it."""

    entries: dict[str, list[SimpleNamespace]]

    @classmethod
    def registerCustomSampleDataSource(
        cls,
        category: str = "Custom",
        sampleName: Any = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: Any = None,
    ) -> None:
        assert len(uris) == len(fileNames) == len(nodeNames)
        entry = SimpleNamespace(
            sampleName=sampleName, uris=uris, customDownloader=customDownloader, thumbnailFileName=thumbnailFileName
        )
        known = cls.entries.setdefault(category, [])
        if repr(entry) not in map(repr, known):
            known.append(entry)

    @classmethod
    def sampleDataSourcesByCategory(cls, category: str) -> list[SimpleNamespace]:
        return cls.entries.get(category, [])


def slicers_own(monkeypatch: pytest.MonkeyPatch) -> Any:
    if "SLICER_SOURCE" not in os.environ:
        pytest.skip("SLICER_SOURCE names no checkout of Slicer")
    base = dict.fromkeys(
        ("ScriptedLoadableModule", "ScriptedLoadableModuleWidget", "ScriptedLoadableModuleTest"), object
    )
    stands_in = {
        "ctk": {}, "qt": {"QObject": object}, "slicer.i18n": {"tr": str, "translate": lambda context, text: text},
        "slicer.ScriptedLoadableModule": base,
    }  # fmt: skip
    for name, contents in stands_in.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("computeChecksum", "extractAlgoAndDigest", "TESTING_DATA_URL"):
        monkeypatch.setattr(slicer.util, name, "", raising=False)
    monkeypatch.setattr(slicer, "modules", SimpleNamespace(), raising=False)
    path = Path(os.environ["SLICER_SOURCE"]) / "Modules/Scripted/SampleData/SampleData.py"
    specification = importlib.util.spec_from_file_location("SampleData", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.SampleDataLogic


@pytest.fixture(params=["stand-in", "Slicer's own"])
def logic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    found: Any = StandIn
    StandIn.entries = {}
    if request.param != "stand-in":
        found = slicers_own(monkeypatch)
    monkeypatch.setitem(sys.modules, "SampleData", SimpleNamespace(SampleDataLogic=found))
    return found


@pytest.fixture
def sample_data(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "InvertibleFusion")
    monkeypatch.setattr(slicer, "mrmlScene", slicer.vtkMRMLScene(), raising=False)
    module = importlib.import_module("InvertibleFusionPanel.sample_data")
    return importlib.reload(module)


def test_there_is_an_entry_for_the_patient_and_one_for_every_contrast(logic: Any, sample_data: Any) -> None:
    sample_data.register_sample_data()
    entries = logic.sampleDataSourcesByCategory("Invertible Fusion (simulated)")
    names = [entry.sampleName for entry in entries]
    assert names == ["InvertibleFusion phantom patient", *(f"Simulated {contrast}" for contrast in CONTRASTS)]
    for entry in entries:
        assert not [uri for uri in entry.uris if uri.startswith(("http", "ftp", "file"))]  # nothing to download
        picture = Path(entry.thumbnailFileName).read_bytes()
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        assert min(struct.unpack(">II", picture[16:24])) >= 128


def test_registering_again_after_a_reload_adds_nothing(logic: Any, sample_data: Any) -> None:
    sample_data.register_sample_data()
    before = len(logic.sampleDataSourcesByCategory(sample_data.CATEGORY))
    importlib.reload(sample_data).register_sample_data()
    assert len(logic.sampleDataSourcesByCategory(sample_data.CATEGORY)) == before > 0


def test_a_press_of_the_button_loads_shows_and_says_simulated(
    logic: Any, sample_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(slicer.util, "tryWithErrorDisplay", lambda *_, **__: nullcontext(), raising=False)
    monkeypatch.setattr(slicer.util, "setSliceViewerLayers", lambda background, fit: shown.append(background))
    monkeypatch.setattr(sample_data, "sample_grid", lambda: SMALL)
    sample_data.register_sample_data()
    entry = next(e for e in logic.sampleDataSourcesByCategory(sample_data.CATEGORY) if e.sampleName == "Simulated ADC")
    entry.customDownloader(entry)
    (node,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert shown == [node]
    assert node.GetName() == "ADC"
    assert "Simulated" in node.GetDescription()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(node)
    study = hierarchy.GetItemParent(item)
    assert hierarchy.GetItemLevel(study) == "Study"
    assert "simulated" in hierarchy.GetItemName(hierarchy.GetItemParent(study))
    assert hierarchy.GetItemAttribute(item, "DICOM.SeriesDescription") == "SIMULATED ADC"
    assert hierarchy.GetItemAttribute(item, "DICOM.Modality") == "SC"


def test_what_is_loaded_is_the_phantom_with_place_units_and_record(sample_data: Any) -> None:
    nodes = sample_data.load_phantom_patient(("ADC", "FLAIR"), SMALL)
    expected = Patient.from_seed(sample_data.SEED).acquire_all(("ADC", "FLAIR"), SMALL)
    assert [node.GetName() for node in nodes.values()] == ["ADC", "FLAIR"]
    for name, node in nodes.items():
        volume = volume_from_node(node)
        np.testing.assert_array_equal(volume.array, expected[name].array)
        np.testing.assert_allclose(volume.grid.corners(), SMALL.corners(), atol=1e-6)
        assert units_of(node) == expected[name].units
        said = json.loads(node.GetAttribute(sample_data.SIMULATED))
        assert (said["simulated"], said["settings"]["seed"]) == (True, sample_data.SEED)
        assert record_of(node) is None  # else the panel would take it for a result, and write over it
        assert node.GetDisplayNode() is not None
    again = sample_data.load_phantom_patient(("ADC",), SMALL)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parents = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in (*nodes.values(), again["ADC"])}
    assert len(parents) == 1  # one study, not one more with every press


def test_the_samples_are_the_phantoms_and_show_the_whole_tumour(sample_data: Any) -> None:
    assert sample_data.CONTRASTS == CONTRASTS
    lesion = Patient.from_seed(sample_data.SEED).lesion
    corners = sample_data.sample_grid().corners()
    assert (np.asarray(lesion.centre) - lesion.radius > corners.min(axis=0)).all()
    assert (np.asarray(lesion.centre) + lesion.radius < corners.max(axis=0)).all()


def test_registering_at_start_up_imports_nothing_heavy() -> None:
    program = (
        "import sys; sys.path[:0] = ['.', 'InvertibleFusion']; import slicer;"
        "import InvertibleFusionPanel.sample_data;"
        "print({'torch', 'SimpleITK', 'InvertibleFusionLib.phantom'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"
