"""Whether the chosen sources can be taken together, in words, before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from InvertibleFusionLib.errors import InvertibleFusionError
from InvertibleFusionLib.mrml.grids import describe_grids, lies_apart

NUMBERS = ("first", "second", "third", "fourth")


@dataclass(frozen=True)
class InputStatus:
    """What there is to say of the sources.

    Attributes:
        usable: whether a run can begin with them.
        sentence: why not, or how they will be used.
        resampling_helps: whether the grids differ and resampling is all that is needed.
    """

    usable: bool
    sentence: str
    resampling_helps: bool = False


def input_status(nodes: Sequence[Any], reference: int = 0, resample: bool = False) -> InputStatus:
    """Whether sources can be taken together. No voxel is read.

    Args:
        nodes: in the order of the model's inputs; None where none is chosen.
        reference: number from 0 of the node whose grid the results get.
        resample: whether the user allows resampling.
    """
    for number, node in enumerate(nodes):
        if node is None:
            return InputStatus(False, f"Choose the {NUMBERS[number]} source.")
        if node in nodes[:number]:
            return InputStatus(False, f"{node.GetName()} is chosen twice. Choose different volumes.")
        if node.IsA("vtkMRMLLabelMapVolumeNode"):
            return InputStatus(False, f"{node.GetName()} is a label map: it has no grey values. Choose a scan.")
    try:
        same, sentence = describe_grids(nodes, reference)
        if same:
            return InputStatus(True, sentence)
        if lies_apart(nodes, reference):
            return InputStatus(False, sentence)
    except InvertibleFusionError as error:
        return InputStatus(False, str(error))
    target = nodes[reference].GetName()
    if resample:
        return InputStatus(True, f"{sentence} It is resampled onto the grid of {target}.", True)
    return InputStatus(False, f"{sentence} Tick Resample to put it onto the grid of {target}.", True)
