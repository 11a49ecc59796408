"""A node that shows slices of a fused image before there is one."""

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from InvertibleFusionLib.errors import SceneError
from InvertibleFusionLib.mrml.images import array_changed, array_of, loose_node
from InvertibleFusionLib.mrml.provenance import GREY
from InvertibleFusionLib.volumes.slices import SliceStack
from InvertibleFusionLib.volumes.volume import Volume


class PreviewNode:
    """A volume node on the full grid that is filled slice by slice; it is not saved with the scene.

    Attributes:
        node: of the preview.
        stack: how its grid is cut into slices.
    """

    def __init__(self, scene: Any, stack: SliceStack, name: str, parent: Any = None) -> None:
        """Put an empty preview into the scene, under the transform node ``parent``."""
        empty = np.zeros(tuple(reversed(stack.grid.size)), np.float32)
        node = loose_node(Volume.on_grid(empty, stack.grid, name=f"{name} (preview)"))
        display = slicer.vtkMRMLScalarVolumeDisplayNode()
        display.SetAutoWindowLevel(0)  # the empty slices would spoil it
        display.SetWindowLevelMinMax(0.0, 1.0)
        display.SetAndObserveColorNodeID(GREY)
        for item in (display, node):
            item.SetSaveWithScene(False)
        # Else a selector whose volume is deleted may go on to the preview, which crashes Slicer when it is removed.
        node.SetHideFromEditors(True)
        node.SetAndObserveDisplayNodeID(scene.AddNode(display).GetID())
        if parent is not None:
            node.SetAndObserveTransformNodeID(parent.GetID())
        self.node = scene.AddNode(node)
        self.stack = stack
        self._shown: set[int] = set()
        self._windowed = False

    def show(self, index: int, image: NDArray[np.float32]) -> None:
        """Show one slice, and none that was shown before.

        Args:
            index: of the slice.
            image: (rows, columns), fused, in [0, 1].

        Raises:
            SceneError: when the node was deleted.
        """
        slices = self._slices()
        for other in self._shown - {index}:
            slices[other] = 0
        self._shown &= {index}
        self.add(index, image)

    def add(self, index: int, image: NDArray[np.float32]) -> None:
        """Show one more slice, as a full run finishes them.

        Raises:
            SceneError: when the node was deleted.
        """
        slices = self._slices()
        slices[index] = image
        if not self._windowed:  # once: later on the window is the user's
            lowest, highest = np.percentile(image, (0.1, 99.9))
            self.node.GetDisplayNode().SetWindowLevelMinMax(float(lowest), max(float(highest), float(lowest) + 1e-6))
            self._windowed = True
        self._shown.add(index)
        array_changed(self.node)

    def remove(self) -> None:
        """Take the preview out of the scene, if it is still there."""
        scene = self.node.GetScene()
        if scene is not None:
            display = self.node.GetDisplayNode()
            scene.RemoveNode(self.node)
            if display is not None and display.GetScene() is not None:
                scene.RemoveNode(display)

    def _slices(self) -> NDArray[Any]:
        if self.node.GetScene() is None:
            raise SceneError("The preview was deleted from the scene. Switch the preview off and on again.")
        return self.stack.slices(array_of(self.node))
