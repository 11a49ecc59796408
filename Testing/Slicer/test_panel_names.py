"""The .ui, the parameter node and the code against each other: a name that is nowhere is an error before the user."""

import ast
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

MODULE = Path(__file__).parents[2] / "InvertibleFusion"
UI = ElementTree.parse(MODULE / "Resources" / "UI" / "InvertibleFusion.ui").getroot()
CODE = sorted(MODULE.rglob("*.py"))
SECTIONS = ["Inputs", "Task", "Outputs", "Run", "View", "Advanced", "About this result"]
# Chosen by hand, not bound: the list of models depends on the task and on files that the user opens.
UNBOUND = {"model"}


def widgets() -> dict[str, ElementTree.Element]:
    found = list(UI.iter("widget"))
    assert len({element.get("name") for element in found}) == len(found)
    return {str(element.get("name")): element for element in found}


def bound() -> list[str]:
    return [
        str(prop.findtext("string"))
        for widget in widgets().values()
        for prop in widget.findall("property")
        if prop.get("name") == "SlicerParameterName"
    ]


def test_every_parameter_is_bound_to_one_widget_and_every_bound_name_is_a_parameter(module: Any) -> None:
    parameters = set(module.widget.logic.getParameterNode().allParameters)
    assert len(bound()) == len(set(bound()))
    assert set(bound()) == parameters - UNBOUND


def test_every_widget_that_the_code_names_is_in_the_ui() -> None:
    named = set()
    for path in CODE:
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"(?:self\._ui|\bui)\.(\w+)", text))
        strings = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
        ending = r"\w+(?:Label|Selector|CheckBox|ComboBox|SpinBox|Button)"
        named |= {text for text in strings if isinstance(text, str) and re.fullmatch(ending, text)}
    assert len(named) > 40
    assert named - widgets().keys() == set()


def test_every_node_selector_gets_the_scene_and_offers_no_label_map() -> None:
    selectors = {name for name, widget in widgets().items() if widget.get("class") == "qMRMLNodeComboBox"}
    assert {connection.findtext("receiver") for connection in UI.iter("connection")} == selectors
    for name in selectors:
        hidden = [text.text for text in widgets()[name].findall("property[@name='hideChildNodeTypes']//string")]
        assert hidden == ["vtkMRMLLabelMapVolumeNode"], name


def test_the_sections_are_there_in_their_order() -> None:
    titles = [
        widget.findtext("property[@name='text']/string")
        for widget in UI.iter("widget")
        if widget.get("class") == "ctkCollapsibleButton"
    ]
    assert titles == SECTIONS


def test_every_choice_has_a_tooltip() -> None:
    inputs = ("QComboBox", "QCheckBox", "QSpinBox", "qMRMLNodeComboBox")
    silent = [
        name
        for name, widget in widgets().items()
        if widget.get("class") in inputs and not widget.findtext("property[@name='toolTip']/string")
    ]
    assert silent == []


def test_the_stand_in_knows_every_property_that_the_ui_sets(module: Any) -> None:
    for name in widgets():
        widget = getattr(module.widget.ui, name, None)
        if widget is not None:  # the outermost one is the parent of all
            names = {bytes(key.data()).decode() for key in widget.dynamicPropertyNames()}
            dynamic = {name for name in names if not name.startswith("_q_")}
            assert dynamic <= {"SlicerParameterName", "visibilityToParent"}, name  # the second is ctk's own


def test_text_for_translation_is_formatted_after_it_was_looked_up() -> None:
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.name)
def test_nothing_heavy_is_imported_when_slicer_starts(path: Path) -> None:
    heavy = {"torch", "SimpleITK", "safetensors", "numba", "matplotlib"}
    library = {
        f"InvertibleFusionLib.{name}"
        for name in ("inference.fusion", "inference.preview", "inference.plan", "inference.slice_engine", "mrml.runs")
    }
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        names |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
        assert not {name.split(".")[0] for name in names} & heavy
        assert not names & library
