"""What the user chooses; kept in the scene and bound to the widgets by their property ``SlicerParameterName``."""

from enum import Enum
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

DEVICES = ["auto", "cpu", "cuda", "mps"]
MOST_SLICES_AT_ONCE = 64
MOST_SAMPLES = 64
LARGEST_SEED = 2**31 - 1


class Task(Enum):
    """What to do."""

    FUSE = "fuse"
    DECOMPOSE = "decompose"
    SYNTHESIZE = "synthesize"

    def label(self) -> str:
        """For the combo box."""
        return {
            Task.FUSE: _("Fuse"),
            Task.DECOMPOSE: _("Decompose"),
            Task.SYNTHESIZE: _("Synthesize"),
        }[self]


class Way(Enum):
    """How to go back."""

    EXACT = "exact"
    IMAGE_ALONE = "image alone"

    def label(self, synthetic: bool = False) -> str:
        """For the combo box.

        Args:
            synthetic: whether it is a synthetic image that is left; its ways back have names of their own.
        """
        if synthetic:
            return {Way.EXACT: _("Round trip"), Way.IMAGE_ALONE: _("From the target alone")}[self]
        return {Way.EXACT: _("Exactly, with the latent"), Way.IMAGE_ALONE: _("From the image alone")}[self]


class Reference(Enum):
    """Whose grid the results get; the values count from 0."""

    FIRST = 0
    SECOND = 1
    THIRD = 2
    FOURTH = 3

    def label(self) -> str:
        """For the combo box."""
        return {
            Reference.FIRST: _("the first source"),
            Reference.SECOND: _("the second source"),
            Reference.THIRD: _("the third source"),
            Reference.FOURTH: _("the fourth source"),
        }[self]


class WriteInto(Enum):
    """Where results go."""

    NEW = "new"
    RESULT = "result"

    def label(self) -> str:
        """For the combo box."""
        return {WriteInto.NEW: _("New volumes"), WriteInto.RESULT: _("The chosen result (update it)")}[self]


class SliceAxis(Enum):
    """Along which slices run."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    ACQUISITION = "acquisition"

    def label(self) -> str:
        """For the combo box."""
        return {
            SliceAxis.AXIAL: _("nearest to axial"),
            SliceAxis.CORONAL: _("nearest to coronal"),
            SliceAxis.SAGITTAL: _("nearest to sagittal"),
            SliceAxis.ACQUISITION: _("as they were acquired"),
        }[self]


class Precision(Enum):
    """Arithmetic."""

    AUTO = "auto"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BFLOAT16 = "bfloat16"

    def label(self) -> str:
        """For the combo box."""
        return self.value


@parameterNodeWrapper
class InvertibleFusionParameterNode:
    """The choices of the panel.

    firstSource to fourthSource: in the order of the model's inputs.
    resample, reference: put sources onto the grid of one of them where theirs differ.
    task, way: what to do.
    model: a shipped model's name or the path of a model file; empty for the one that fits best.
    result: the fused or synthetic image that is shown, taken apart or updated.
    keepLatent, wantDecomposed, wantDifference, wantSpread, wantGrounds: which results.
    writeInto: new nodes, or those of ``result``.
    livePreview: fuse the slice that is looked at before any run.
    device, precision, batchSize (0: automatic), axis, samples, seed, certify: see the library's ``Settings``.
    """

    firstSource: vtkMRMLScalarVolumeNode
    secondSource: vtkMRMLScalarVolumeNode
    thirdSource: vtkMRMLScalarVolumeNode
    fourthSource: vtkMRMLScalarVolumeNode
    resample: bool = False
    reference: Reference = Reference.FIRST
    task: Task = Task.FUSE
    way: Way = Way.EXACT
    model: str = ""
    result: vtkMRMLScalarVolumeNode
    keepLatent: bool = True
    wantDecomposed: bool = True
    wantDifference: bool = False
    wantSpread: bool = False
    wantGrounds: bool = False
    writeInto: WriteInto = WriteInto.NEW
    livePreview: bool = False
    device: Annotated[str, Choice(DEVICES)] = "auto"
    precision: Precision = Precision.AUTO
    batchSize: Annotated[int, WithinRange(0, MOST_SLICES_AT_ONCE)] = 0
    axis: SliceAxis = SliceAxis.AXIAL
    samples: Annotated[int, WithinRange(1, MOST_SAMPLES)] = 8
    seed: Annotated[int, WithinRange(0, LARGEST_SEED)] = 0
    certify: bool = False
