"""The pictures of docs/tutorial.md, on the phantom patient: the real panel, rendered outside of Slicer by PySide6, and
slice views composed by Slicer's own slice logic.

    .venv/bin/python Testing/Slicer/tutorial_pictures.py Resources/Screenshots

Pictures of the whole window are taken in the application by ``screenshots.py``.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
MODULE = HERE.parents[1] / "InvertibleFusion" / "InvertibleFusion.py"
sys.path[:0] = [str(HERE), str(MODULE.parent), str(HERE.parents[1])]

from driving import Driver  # noqa: E402
from host import application  # noqa: E402

VIEW_PIXELS = 220
FIELD_MM = 212.0
MIDDLE_MM = -7.0
"""Of the head, in RAS along the second axis."""
COLOURS = 256
PANEL_PIXELS = 400
MARGIN, TITLE_PIXELS = 6, 18


def main(folder: Path) -> None:
    """Walk through the tutorial and leave its pictures in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    application.install()
    application.new_scene()
    nodes = load()
    module = application.Module(MODULE)
    module.enter()
    panel = Driver(module)
    preview(panel, nodes, folder)
    panel.wait(lambda: not panel.panel.running)
    both_ways_back(panel, folder)
    module.close()


def load() -> dict[str, Any]:
    """The sample, the view at the tumour."""
    import slicer
    from InvertibleFusionPanel.sample_data import SEED, load_phantom_patient

    from InvertibleFusionLib.phantom import Patient

    nodes = load_phantom_patient()
    _, _, z = Patient.from_seed(SEED).lesion_centre
    red = red_logic().GetSliceNode()
    red.SetDimensions(VIEW_PIXELS, VIEW_PIXELS, 1)
    red.SetFieldOfView(FIELD_MM, FIELD_MM, 1.0)
    red.JumpSliceByCentering(0.0, MIDDLE_MM, z)
    slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed").SetBackgroundVolumeID(nodes["T1Gd"].GetID())
    return nodes


def preview(panel: Driver, nodes: dict[str, Any], folder: Path) -> None:
    """The panel with a live preview; then all slices, for the pictures that follow."""
    panel.choose(nodes["T1Gd"], nodes["FLAIR"])
    panel.ui.differenceCheckBox.checked = True
    panel.ui.livePreviewCheckBox.checked = True
    panel.settle()
    save(grid([whole(panel, folder), titled("Preview of the slice shown", view())], 2), folder / "preview.png")
    panel.apply()


def both_ways_back(panel: Driver, folder: Path) -> None:
    """Every view after the exact way back, then after the way from the image alone."""
    names = ["source1", "fused", "decomposed1", "difference1", "source2", "fused", "decomposed2", "difference2"]
    save(grid([shown(panel, name) for name in names], 4), folder / "exact.png")
    panel.ui.taskComboBox.setCurrentIndex(1)
    panel.ui.wayComboBox.setCurrentIndex(1)
    panel.ui.spreadCheckBox.checked = True
    panel.run()
    names = ["source1", "decomposed1", "difference1", "spread1", "source2", "decomposed2", "difference2", "spread2"]
    save(grid([shown(panel, name) for name in names], 4), folder / "image-alone.png")
    panel.ui.aboutCollapsibleButton.collapsed = False
    save(whole(panel, folder), folder / "about.png")


def shown(panel: Driver, name: str) -> Image.Image:
    """The red view after a click on a button."""
    button = getattr(panel.ui, f"{name}Button")
    assert button.enabled, button.toolTip
    button.click()
    return titled(button.text, view())


def view() -> Image.Image:
    """What Slicer's slice logic shows in the red view."""
    from vtk.util.numpy_support import vtk_to_numpy

    logic = red_logic()
    logic.UpdatePipeline()
    logic.GetBlend().Update()
    image = logic.GetBlend().GetOutput()
    columns, rows, _ = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1, :, :3]
    return Image.fromarray(np.ascontiguousarray(pixels))


def red_logic() -> Any:
    import slicer

    return slicer.logics.slices["Red"]


def whole(panel: Driver, folder: Path) -> Image.Image:
    """The panel from top to bottom."""
    path = folder / "panel.tmp.png"
    panel.picture(path, PANEL_PIXELS)
    with Image.open(path) as image:
        copy = image.convert("RGB")
    path.unlink()
    return copy


def titled(title: str, image: Image.Image) -> Image.Image:
    """An image below its title."""
    framed = Image.new("RGB", (image.width, image.height + TITLE_PIXELS), "white")
    framed.paste(image, (0, TITLE_PIXELS))
    ImageDraw.Draw(framed).text((2, 3), title, fill="black")
    return framed


def save(image: Image.Image, path: Path) -> None:
    """Slices in grey, the panel in few colours: a checkout shall stay small."""
    grey = image.convert("L")
    same = np.array_equal(np.asarray(grey.convert("RGB")), np.asarray(image))
    small = grey if same else image.quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def grid(images: list[Image.Image], columns: int) -> Image.Image:
    """Row by row, as narrow as they come."""
    rows = [images[start : start + columns] for start in range(0, len(images), columns)]
    width = max(sum(image.width + MARGIN for image in row) for row in rows) - MARGIN
    heights = [max(image.height for image in row) + MARGIN for row in rows]
    canvas = Image.new("RGB", (width, sum(heights) - MARGIN), "white")
    for number, row in enumerate(rows):
        x = 0
        for image in row:
            canvas.paste(image, (x, sum(heights[:number])))
            x += image.width + MARGIN
    return canvas


if __name__ == "__main__":
    main(Path(sys.argv[1]))
