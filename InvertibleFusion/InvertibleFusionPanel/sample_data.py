"""The phantom patient in Slicer's module Sample Data: simulated when it is asked for, nothing is downloaded."""

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer

if TYPE_CHECKING:
    from InvertibleFusionLib.volumes.grid import Grid
    from InvertibleFusionLib.volumes.volume import Volume

# The phantom and SimpleITK are imported when a sample is loaded: entries are registered at every start of Slicer.

CONTRASTS = ("T1", "T1Gd", "T2", "PD", "FLAIR", "DWI", "ADC", "PET")
"""Those of the phantom, named here since naming them there would import it."""
CATEGORY = "Invertible Fusion (simulated)"
PATIENT_NAME = "InvertibleFusion phantom patient (simulated)"
WHOLE_PATIENT = "InvertibleFusion phantom patient"
SEED = 7
SIMULATED = "Simulated.record"
"""Node attribute: how a sample was simulated, as JSON."""
THUMBNAILS = Path(__file__).parents[1] / "Resources" / "SampleData"


def sample_grid() -> "Grid":
    """What the samples are scanned on: 240×240×28 at 1×1×5 mm, axial, the whole brain in a few seconds."""
    from InvertibleFusionLib.volumes.grid import Grid

    return Grid((240, 240, 28), (1.0, 1.0, 5.0), (-119.5, -122.5, -57.0))


@dataclass(frozen=True)
class PhantomSample:
    """What Sample Data calls when its button is pressed.

    Sources are told apart by their text; a plain function's would change when the module is reloaded, and every entry
    would be there twice.

    Attributes:
        contrasts: to load.
    """

    contrasts: tuple[str, ...]

    def __call__(self, source: Any) -> None:
        """Simulate and load; ``source`` is Sample Data's description of the entry."""
        with slicer.util.tryWithErrorDisplay(f"{source.sampleName} could not be made.", waitCursor=True):
            nodes = load_phantom_patient(self.contrasts)
            slicer.util.setSliceViewerLayers(background=nodes[self.contrasts[0]], fit=True)


def register_sample_data() -> None:
    """Add the phantom patient to Sample Data: one entry for all contrasts and one for each; again changes nothing."""
    logic = importlib.import_module("SampleData").SampleDataLogic
    entries = {WHOLE_PATIENT: CONTRASTS, **{f"Simulated {contrast}": (contrast,) for contrast in CONTRASTS}}
    for name, contrasts in entries.items():
        logic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=name,
            uris=[f"phantom:{SEED}/{contrast}" for contrast in contrasts],  # for reading; nothing is fetched
            fileNames=[f"{contrast}.nrrd" for contrast in contrasts],
            nodeNames=list(contrasts),
            thumbnailFileName=str(THUMBNAILS / f"{contrasts[0] if len(contrasts) == 1 else 'patient'}.png"),
            customDownloader=PhantomSample(tuple(contrasts)),
        )


def load_phantom_patient(
    contrasts: Sequence[str] = CONTRASTS, grid: "Grid | None" = None, seed: int = SEED
) -> dict[str, Any]:
    """Simulate a patient and put the volumes into the scene, in a study of a patient that is called simulated.

    Nodes are named like contrasts, "ADC", since models are chosen by these names.

    Args:
        contrasts: of ``CONTRASTS``.
        grid: to scan on; ``sample_grid`` where None.
        seed: of the patient.

    Returns:
        Volume nodes by contrast, in the order of ``contrasts``.

    Raises:
        ConfigurationError: an unknown contrast or a negative seed.
        GridMismatchError: a grid that misses the head.
    """
    from InvertibleFusionLib.mrml import hierarchy as items
    from InvertibleFusionLib.mrml.provenance import dicom_attributes
    from InvertibleFusionLib.phantom import Patient

    volumes = Patient.from_seed(seed).acquire_all(contrasts, grid or sample_grid())
    scene = slicer.mrmlScene
    hierarchy = items.subject_hierarchy(scene)
    study = _study(hierarchy)
    nodes = {}
    for contrast in contrasts:
        nodes[contrast] = _add(scene, volumes[contrast])
        attributes = dicom_attributes(contrast, volumes[contrast].record or {})
        items.file_node(hierarchy, nodes[contrast], study, attributes)
    return nodes


def _add(scene: Any, volume: "Volume") -> Any:
    from InvertibleFusionLib.mrml.images import loose_node
    from InvertibleFusionLib.mrml.provenance import GREY, PET, Look, set_numbers

    node = loose_node(volume)
    node.SetName(scene.GenerateUniqueName(volume.name))
    node.SetDescription("Simulated phantom. Research use only.")
    set_numbers(node, Look(), volume.units)
    # Not as a result's record: a sample is a source, chosen and protected like any scan.
    node.SetAttribute(SIMULATED, json.dumps(volume.record, separators=(",", ":")))
    display = slicer.vtkMRMLScalarVolumeDisplayNode()
    display.SetAutoWindowLevel(1)
    display.SetAndObserveColorNodeID(PET if volume.name == "PET" and scene.GetNodeByID(PET) else GREY)
    node.SetAndObserveDisplayNodeID(scene.AddNode(display).GetID())
    return scene.AddNode(node)


def _study(hierarchy: Any) -> int:
    """The simulated patient's study, made where there is none yet."""
    top = hierarchy.GetSceneItemID()
    patient = hierarchy.GetItemChildWithName(top, PATIENT_NAME) or hierarchy.CreateSubjectItem(top, PATIENT_NAME)
    study = hierarchy.GetItemChildWithName(patient, "Simulated study")
    return int(study or hierarchy.CreateStudyItem(patient, "Simulated study"))
