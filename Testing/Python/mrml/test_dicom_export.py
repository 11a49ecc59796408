"""What Slicer's DICOM export makes of results.

``collect_tags`` follows Slicer's export dialog (qSlicerDICOMTagEditorWidget.cxx): tags of the patient are those of the
item two levels above the volume, tags of the study those one level above, both prefixed by "DICOM."; tags of the series
are what the plugin offers, overruled by the volume's own item. ``SOP_CLASSES`` is what CreateDICOMSeries.cxx knows.
Where SLICER_SOURCE names a checkout of Slicer, its own plugin collects and exports, up to the files.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from InvertibleFusionLib import decompose, fuse
from InvertibleFusionLib.models.model import Model

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.outcomes import decomposition_outcomes, fusion_outcomes  # noqa: E402
from InvertibleFusionLib.mrml.provenance import dicom_attributes  # noqa: E402
from InvertibleFusionLib.mrml.results import Place, put_results  # noqa: E402
from InvertibleFusionLib.mrml.volumes import sources_from_nodes  # noqa: E402

PREFIX = "DICOM."
CT_STORAGE, SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"
SOP_CLASSES = {"SC": SECONDARY_CAPTURE}  # others than MR, PT, NM, CR and US, which are scanners', are written as CT
OFFERED = {
    "SeriesDescription": "No series description", "Modality": "CT", "Manufacturer": "Unknown manufacturer",
    "Model": "Unknown model", "SeriesNumber": "301", "SeriesInstanceUID": "", "FrameOfReferenceUID": "",
}  # fmt: skip
IDENTITY = {"PatientName": "Doe^Jane", "PatientID": "4711", "StudyInstanceUID": "1.2.3"}
SOURCE_SERIES = "1.2.3.4"


def collect_tags(hierarchy: Any, item: int) -> dict[str, str]:
    """The tags with which the dialog would start the export of a volume."""
    tags = dict(OFFERED)
    study = hierarchy.GetItemParent(item)
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    for above, names in (
        (hierarchy.GetItemParent(study), constants.GetDICOMPatientTagNames()),
        (study, constants.GetDICOMStudyTagNames()),
    ):
        own = [name for name in hierarchy.GetItemAttributeNames(above) if name.startswith(PREFIX)]
        tags.update(dict.fromkeys((name for name in names if PREFIX + name not in own), ""))
        tags.update({name.removeprefix(PREFIX): hierarchy.GetItemAttribute(above, name) for name in own})
    for name in OFFERED:
        if hierarchy.HasItemAttribute(item, PREFIX + name):
            tags[name] = hierarchy.GetItemAttribute(item, PREFIX + name)
    return tags


@pytest.fixture
def sources(host: Any, scene: Any, bumps: Any) -> list[Any]:
    """Two scans as Slicer's DICOM import leaves them."""
    nodes = [
        host.loaded(scene, bumps("ADC", size=(16, 16, 4))),
        host.loaded(scene, bumps("FLAIR", (16, 16, 4), seed=1)),
    ]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Jane Doe")
    study = hierarchy.CreateStudyItem(patient, "study")
    for name, item in (("PatientName", patient), ("PatientID", patient), ("StudyInstanceUID", study)):
        hierarchy.SetItemAttribute(item, PREFIX + name, IDENTITY[name])
    for number, node in enumerate(nodes):
        node.SetAttribute("DICOM.instanceUIDs", f"{SOURCE_SERIES}.{number}")
        item = hierarchy.CreateItem(study, node)
        hierarchy.SetItemUID(item, "DICOM", SOURCE_SERIES)
        hierarchy.SetItemAttribute(item, "DICOM.Modality", "MR")
        hierarchy.SetItemAttribute(item, "DICOM.SeriesInstanceUID", SOURCE_SERIES)
    return nodes


@pytest.fixture
def results(scene: Any, sources: list[Any], model: Model) -> dict[str, Any]:
    volumes = sources_from_nodes(sources)
    fusion = fuse(model, volumes.volumes)
    nodes = put_results(scene, fusion_outcomes(fusion, volumes), Place(sources))
    exact = decompose(model, fusion.image, latent=fusion.latent)
    return nodes | put_results(scene, decomposition_outcomes(exact), Place(sources, nodes["fused"]))


def test_no_result_leaves_as_a_scan(scene: Any, results: dict[str, Any]) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert results.keys() == {"fused", "latent", "exact-1", "exact-2"}
    for node in results.values():
        tags = collect_tags(hierarchy, hierarchy.GetItemByDataNode(node))
        assert SOP_CLASSES.get(tags["Modality"], CT_STORAGE) == SECONDARY_CAPTURE
        assert tags["SeriesDescription"] == f"DERIVED {node.GetName()}"
        assert "research use only" in tags["Manufacturer"]
        assert tags["Model"] not in ("", OFFERED["Model"])
        assert max(len(tags[name]) for name in ("SeriesDescription", "Manufacturer", "Model")) <= 64
        assert tags["SeriesInstanceUID"] == ""  # the exporter makes a new one
        assert not hierarchy.GetItemUID(hierarchy.GetItemByDataNode(node), "DICOM")


def test_an_export_out_of_the_results_folder_names_no_patient_and_one_out_of_the_study_the_right_one(
    scene: Any, sources: list[Any], results: dict[str, Any]
) -> None:
    """Slicer looks one and two levels up, and finds the folder and the study in place of study and patient."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(results["fused"])
    in_folder = collect_tags(hierarchy, item)
    assert {name: in_folder[name] for name in IDENTITY} == dict.fromkeys(IDENTITY, "")
    hierarchy.SetItemParent(item, hierarchy.GetItemParent(hierarchy.GetItemByDataNode(sources[0])))
    in_study = collect_tags(hierarchy, item)
    assert {name: in_study[name] for name in IDENTITY} == IDENTITY
    assert in_study["Modality"] == "SC"


def test_the_warning_comes_first_and_survives_long_names() -> None:
    record = {"task": "synthesize", "model": {"name": "m" * 80}, "result": {"kind": "synthetic", "name": "T2"}}
    attributes = dicom_attributes("SYNTHETIC " + "T2 " * 40 + "\\x", record)
    assert attributes["DICOM.SeriesDescription"].startswith("DERIVED SYNTHETIC T2")
    assert len(attributes["DICOM.SeriesDescription"]) == 64
    assert len(attributes["DICOM.Model"]) == 64
    assert "\\" not in dicom_attributes("a\\b", record)["DICOM.SeriesDescription"]
    simulated = {"task": "phantom", "simulated": True, "result": {"kind": "phantom", "name": "T2"}}
    assert dicom_attributes("T2", simulated)["DICOM.SeriesDescription"] == "SIMULATED T2"


class Exportable:
    """qSlicerDICOMExportable, as far as the plugin uses it."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}

    def setTag(self, name: str, value: str) -> None:
        self.tags[name] = value

    def tag(self, name: str) -> str:
        return self.tags.get(name, "")


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, scene: Any, tmp_path: Path) -> tuple[Any, list[Any]]:
    """Slicer's own DICOMScalarVolumePlugin, and what it hands on to be written."""
    if "SLICER_SOURCE" not in os.environ:
        pytest.skip("SLICER_SOURCE names no checkout of Slicer")
    written: list[dict[str, str]] = []

    class Directory:
        def __init__(self, path: str) -> None:
            self.path = path

        mkpath = cd = lambda self, name: True

        def absolutePath(self) -> str:
            return self.path

    def exporter(study: str, node: Any, tags: dict[str, str], directory: str) -> Any:
        written.append(tags)
        return SimpleNamespace(export=lambda: True)

    stands_in = {
        "ctk": {}, "qt": {"QDir": Directory}, "vtkITK": {}, "slicer.i18n": {"tr": lambda text: text},
        "DICOMLib": {
            "DICOMPlugin": type("DICOMPlugin", (), {"__init__": lambda self: setattr(self, "tags", {})}),
            "DICOMLoadable": object, "DICOMUtils": object, "DICOMExportScalarVolume": exporter,
        },
        "pydicom": {"uid": SimpleNamespace(generate_uid=lambda: "2.25.1")},
    }  # fmt: skip
    for name, contents in stands_in.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    monkeypatch.setattr(slicer, "qSlicerDICOMExportable", Exportable, raising=False)
    database = SimpleNamespace(studyForSeries=lambda uid: "" if uid == "2.25.1" else "1.2.3")
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    monkeypatch.setattr(slicer.util, "LazyImport", lambda name: None, raising=False)
    path = Path(os.environ["SLICER_SOURCE"]) / "Modules/Scripted/DICOMPlugins/DICOMScalarVolumePlugin.py"
    specification = importlib.util.spec_from_file_location("DICOMScalarVolumePlugin", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.DICOMScalarVolumePluginClass(), written


def test_slicers_own_plugin_writes_what_the_stand_in_says(
    plugin: tuple[Any, list[Any]], scene: Any, results: dict[str, Any], tmp_path: Path
) -> None:
    exporter, written = plugin
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(results["exact-1"])
    (exportable,) = exporter.examineForExport(item)
    assert OFFERED.items() <= exportable.tags.items()
    exportable.tags.update(collect_tags(hierarchy, item))
    exportable.directory = str(tmp_path)
    assert exporter.export([exportable]) == ""
    assert written[0]["Modality"] == "SC"
    assert written[0]["Series Description"] == "DERIVED " + results["exact-1"].GetName()
    assert written[0]["Series Instance UID"] == "2.25.1"


@pytest.mark.skipif("SLICER_SOURCE" not in os.environ, reason="SLICER_SOURCE names no checkout of Slicer")
def test_what_writes_the_files_knows_secondary_capture() -> None:
    path = Path(os.environ["SLICER_SOURCE"]) / "Modules/CLI/CreateDICOMSeries/CreateDICOMSeries.cxx"
    known = re.findall(r'modality == "(\w+)"\)\s*{[^}]*?sopClassUID = "([\d.]+)"', path.read_text(encoding="utf-8"))
    assert SOP_CLASSES.items() <= dict(known).items()
    assert "OT" not in dict(known)
