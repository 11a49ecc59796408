"""What a result node says of itself: its record, its quantity and units, and its DICOM attributes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer

from InvertibleFusionLib.errors import RecordMismatchError, UnreadableFileError
from InvertibleFusionLib.inference.record import NOTICE
from InvertibleFusionLib.mrml.scene import attribute
from InvertibleFusionLib.volumes.reading import known_ending, read_statements

RECORD = "InvertibleFusion.record"
"""Node attribute: the record as one line of JSON. Attributes are saved with the scene."""
SHOWN = "shown"
"""Key in the record of a source: how its node looked, so that what is recovered of it can look the same."""
SYNTHETIC = "SYNTHETIC"
OWN_SCHEME = "99INVFUSION"
"""Coding scheme of units that are not coded in their source; DICOM keeps names in 99… for private schemes."""
LONGEST_TEXT = 64
"""Characters of a DICOM long string (LO)."""
GREY = "vtkMRMLColorTableNodeGrey"
PET = "vtkMRMLPETProceduralColorNodePET-DICOM"


@dataclass(frozen=True)
class Look:
    """How a volume is shown and what its numbers are.

    Attributes:
        window: of grey values; None where Slicer shall choose window and level.
        level: the window's middle.
        colour: ID of the colour node.
        quantity: what the numbers measure, a coded entry as a string; empty where nothing says so.
        units: of the numbers, likewise.
    """

    window: float | None = None
    level: float | None = None
    colour: str = GREY
    quantity: str = ""
    units: str = ""

    @classmethod
    def of_node(cls, node: Any) -> "Look":
        """How a volume node looks now."""
        display = node.GetDisplayNode()
        quantity, units = _coded_text(node.GetVoxelValueQuantity()), _coded_text(node.GetVoxelValueUnits())
        if display is None:
            return cls(quantity=quantity, units=units)
        colour = display.GetColorNodeID() or GREY
        return cls(display.GetWindow(), display.GetLevel(), colour, quantity, units)

    def to_json(self) -> dict[str, Any]:
        """For a record."""
        return {
            "window": self.window,
            "level": self.level,
            "colour": self.colour,
            "quantity": self.quantity,
            "units": self.units,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Look":
        """The inverse of ``to_json``."""
        window, level = data["window"], data["level"]
        if window is not None:
            window, level = float(window), float(level)
        return cls(window, level, str(data["colour"]), str(data["quantity"]), str(data["units"]))


def units_of(node: Any) -> str:
    """The units' code, such as "um2/s"; an empty string where the node has none."""
    entry = node.GetVoxelValueUnits()
    return "" if entry is None else str(entry.GetCodeValue() or "")


def set_numbers(node: Any, look: Look, units: str) -> None:
    """Say what a node's numbers are: ``look``'s quantity and units, else the plain ``units``."""
    node.SetVoxelValueQuantity(_coded(look.quantity))
    entry = _coded(look.units)
    if entry is None and units:
        entry = slicer.vtkCodedEntry()
        entry.SetValueSchemeMeaning(units, OWN_SCHEME, units)
    node.SetVoxelValueUnits(entry)


def write_record(node: Any, record: Mapping[str, Any]) -> None:
    """Keep a record on a node."""
    node.SetAttribute(RECORD, json.dumps(record, ensure_ascii=True, separators=(",", ":")))


def record_of(node: Any) -> dict[str, Any] | None:
    """The record on a node; None where it has none.

    Raises:
        RecordMismatchError: when it is damaged.
    """
    text = attribute(node, RECORD)
    if not text:
        return None
    try:
        record = json.loads(text)
        _ = record["result"]["kind"], record["result"]["name"]
        return dict(record)
    except (ValueError, TypeError, LookupError) as error:
        raise RecordMismatchError(
            f"The record on {node.GetName()} is damaged ({error}). Make the result again."
        ) from error


def statements_of_file(node: Any) -> tuple[dict[str, Any] | None, str]:
    """The record and the units in the file that a node was read from; None and "" where there are none any more.

    Slicer drops both on reading. A node that was changed since is not what the file speaks of.
    """
    storage = node.GetStorageNode()
    name = storage.GetFullNameFromFileName() if storage is not None else None
    if not name or known_ending(Path(name)) is None or node.GetModifiedSinceRead() or not Path(name).is_file():
        return None, ""
    try:
        return read_statements(Path(name))
    except UnreadableFileError:
        return None, ""  # replaced by something else since Slicer read it


def keep_record(node: Any) -> None:
    """Write the record that a node's file states on the node, where saved scenes keep it.

    For results of the command line that were loaded as files: Slicer drops the record when it saves them again.
    """
    if record_of(node) is None:
        stated, _ = statements_of_file(node)
        if stated is not None:
            write_record(node, stated)


def is_synthetic(record: Mapping[str, Any]) -> bool:
    """Whether the image shows a contrast that no scanner measured."""
    return record.get("task") == "synthesize" or record["result"]["kind"] == "synthetic"


def dicom_attributes(name: str, record: Mapping[str, Any]) -> dict[str, str]:
    """DICOM attributes for a result, so that an export says what it is.

    Slicer's export (``DICOMScalarVolumePlugin.py``) takes a volume without a modality for a CT, and what it calls
    (``CreateDICOMSeries.cxx``) stores every modality that it does not know, "OT" too, as CT images in Hounsfield units.
    It knows "SC", secondary capture. Of the other attributes it writes manufacturer, model and the series' description
    only, so the warning stands in these; image type and derivation are for other exporters. UIDs are left to the
    exporter, which makes new ones: a result is never part of a series that a scanner made.
    """
    model = record.get("model", {}).get("name", "")
    origin = "SIMULATED" if record.get("simulated") else "DERIVED"
    description = f"{origin} {name}".replace("\\", "/")  # a backslash would separate two values
    return {
        "DICOM.Modality": "SC",
        "DICOM.SeriesDescription": description[:LONGEST_TEXT],
        "DICOM.Manufacturer": "InvertibleFusion, research use only",
        "DICOM.Model": model[:LONGEST_TEXT],
        "DICOM.ManufacturerModelName": model[:LONGEST_TEXT],
        "DICOM.ImageType": "DERIVED\\SECONDARY",
        "DICOM.DerivationDescription": f"{record['task']} by {model or 'InvertibleFusion'}. {NOTICE}",
    }


def _coded(text: str) -> Any:
    if not text:
        return None
    entry = slicer.vtkCodedEntry()
    return entry if entry.SetFromString(text) else None


def _coded_text(entry: Any) -> str:
    return "" if entry is None else str(entry.GetAsString())
