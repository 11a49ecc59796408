"""What the page shows of one slice, and on which scale."""

import base64
import io
from collections.abc import Callable

import numpy as np
from matplotlib.image import imread

from InvertibleFusionLib.evaluation.cases import EvaluationCase, one_case
from InvertibleFusionLib.evaluation.comparison_figures import Panel, PanelGrid, figures_of
from InvertibleFusionLib.evaluation.measuring import measure
from InvertibleFusionLib.evaluation.methods import Images, Method, Slice
from InvertibleFusionLib.evaluation.trivial_rules import fusion_rules, synthesis_rules

MakeCase = Callable[..., EvaluationCase]


def pixels(panel: Panel | None) -> np.ndarray:
    assert panel is not None
    return imread(io.BytesIO(base64.b64decode(panel.uri.split(",")[1])))


def shown(grids: list[PanelGrid], row: str, method: str, close: bool = False) -> Panel | None:
    """The picture of a method in a row."""
    for grid in grids:
        for label, panels in grid.rows:
            if (label, grid.close) == (row, close) and method in grid.columns:
                return panels[grid.columns.index(method)]
    raise AssertionError(f"there is no {row} of {method}")


def test_a_synthetic_image_is_called_so_and_as_bright_as_its_scan(blocks: MakeCase) -> None:
    """Perfect images look like the scan whatever a rule beside them makes; half as bright is drawn half as bright."""
    case = blocks("measured", 1, 3, ("FLAIR",))
    perfect = Method("perfect", lambda given: (0.2 + 0.5 * given.sources**2).astype(np.float32))
    dark = Method("dark", lambda given: (0.1 + 0.25 * given.sources**2).astype(np.float32))
    [measured] = measure([*synthesis_rules(["T1"], ["FLAIR"]), perfect, dark], [case])
    grids = figures_of(measured)
    for close in (False, True):
        scan, synthetic = shown(grids, "", "FLAIR", close), shown(grids, "SYNTHETIC FLAIR", "perfect", close)
        np.testing.assert_allclose(pixels(synthetic), pixels(scan), atol=1.5 / 255)
        half = pixels(shown(grids, "SYNTHETIC FLAIR", "dark", close))
        np.testing.assert_allclose(half, pixels(scan) / 2, atol=1.5 / 255)
        difference = shown(grids, "difference to FLAIR", "perfect", close)
        assert np.ptp(pixels(difference)[..., :3], axis=(0, 1)).max() == 0
    assert any("SYNTHETIC" in grid.title for grid in grids)
    assert "lesion on FLAIR" in grids[0].columns


def test_a_rule_that_is_far_off_does_not_darken_the_differences_of_models(case: EvaluationCase) -> None:
    def near(given: Slice) -> Images:
        return given.sources[:1]

    [alone] = measure([Method("near", near)], [case])
    [beside] = measure(
        [Method("black", lambda given: 0 * given.sources[:1], trivial=True), Method("near", near)], [case]
    )
    ends = [{grid.highest for grid in figures_of(measured) if grid.title == "Fused"} for measured in (alone, beside)]
    assert ends[0] == ends[1]
    [rules] = measure(fusion_rules(), [case])
    assert all(grid.highest > 0 for grid in figures_of(rules) if grid.title == "Fused")


def test_targets_in_colour_are_shown_in_colour() -> None:
    images = np.random.default_rng(0).random((2, 4, 20, 20)).astype(np.float32)
    case = one_case("someone", ["MRI"], images, ["PET-R", "PET-G", "PET-B"])
    [measured] = measure(synthesis_rules(["MRI"], ["PET-R", "PET-G", "PET-B"]), [case])
    grids = figures_of(measured)
    assert grids[0].columns == ["MRI", "PET"]
    scan = pixels(shown(grids, "", "PET"))
    np.testing.assert_allclose(scan[..., :3], np.moveaxis(images[1, 1:], 0, -1), atol=0.02)
    [differences] = [panels for label, panels in grids[1].rows if label.startswith("difference to PET")]
    assert len(differences) == 1
