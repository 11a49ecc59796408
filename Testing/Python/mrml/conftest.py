"""A real MRML scene, and ways into and out of it that are not ours: SimpleITK's writer, Slicer's reader and writer."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib.volumes.volume import Volume

Point = tuple[float, float, float]


class Host:
    """What the application gives: scenes with colours, loading, saving and reopening, transforms."""

    def __init__(self, folder: Path) -> None:
        import slicer
        import vtk

        self.slicer, self.vtk, self.folder = slicer, vtk, folder
        self._kept: list[Any] = []

    def new_scene(self) -> Any:
        scene = self.slicer.vtkMRMLScene()
        remote = self.slicer.vtkMRMLRemoteIOLogic()  # an .mrb cannot be opened without
        cache = self.folder / f"cache-{len(self._kept)}"
        cache.mkdir()
        remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
        remote.SetMRMLScene(scene)
        remote.AddDataIOToScene()
        self.application = self.slicer.vtkMRMLApplicationLogic()
        self.application.SetMRMLScene(scene)
        colours = self.slicer.vtkMRMLColorLogic()
        colours.SetMRMLScene(scene)
        self.application.SetModuleLogic("Colors", colours)
        self._kept += [scene, remote, colours, self.application]
        return scene

    def load(self, scene: Any, path: Path) -> Any:
        logic = self.slicer.vtkSlicerVolumesLogic()
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(scene)
        node = logic.AddArchetypeVolume(str(path), path.name.split(".")[0], 0)
        logic.SetMRMLScene(None)
        assert node is not None
        return node

    def loaded(self, scene: Any, volume: Volume, ending: str = ".nrrd") -> Any:
        """A volume that SimpleITK wrote and Slicer read."""
        path = self.folder / f"{volume.name}{ending}"
        image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array), isVector=volume.components > 1)
        image.SetSpacing(volume.spacing)
        image.SetOrigin(volume.origin)
        image.SetDirection(volume.direction)
        sitk.WriteImage(image, str(path))
        return self.load(scene, path)

    def reopened(self, scene: Any) -> Any:
        """Saved as .mrb and opened in a scene that knows nothing."""
        path = self.folder / "saved scene.mrb"
        assert scene.WriteToMRB(str(path))
        other = self.new_scene()
        assert other.ReadFromMRB(str(path))
        return other

    def reopened_from_folder(self, scene: Any) -> Any:
        """Saved as .mrml with its volumes beside it, and opened in a scene that knows nothing."""
        folder = self.folder / "saved scene"
        folder.mkdir()
        assert scene.SaveSceneToSlicerDataBundleDirectory(str(folder))
        other = self.new_scene()
        other.SetURL(str(next(folder.glob("*.mrml"))))
        assert other.Connect()
        return other

    def move(self, scene: Any, matrix: np.ndarray, name: str = "moved") -> Any:
        node = self.slicer.vtkMRMLLinearTransformNode()
        node.SetName(name)
        node.SetMatrixTransformToParent(self.slicer.util.vtkMatrixFromArray(matrix))
        return scene.AddNode(node)

    def rigid(self, degrees: float = 25.0, shift: Point = (12.0, -30.0, 7.0)) -> np.ndarray:
        transform = self.vtk.vtkTransform()
        transform.Translate(*shift)
        transform.RotateWXYZ(degrees, 0.3, -0.5, 0.8)
        return np.array(self.slicer.util.arrayFromVTKMatrix(transform.GetMatrix()))

    def bend(self, scene: Any, moves: Mapping[Point, Point], name: str = "bent") -> Any:
        """A transform that takes RAS points elsewhere, by VTK's thin-plate spline."""
        before, after = self.vtk.vtkPoints(), self.vtk.vtkPoints()
        for point, to in moves.items():
            before.InsertNextPoint(point)
            after.InsertNextPoint(to)
        spline = self.vtk.vtkThinPlateSplineTransform()
        spline.SetBasisToR()
        spline.SetSourceLandmarks(before)
        spline.SetTargetLandmarks(after)
        node = self.slicer.vtkMRMLTransformNode()
        node.SetName(name)
        node.SetAndObserveTransformToParent(spline)
        return scene.AddNode(node)

    def put_under(self, parent: Any, *nodes: Any) -> None:
        for node in nodes:
            node.SetAndObserveTransformNodeID(None if parent is None else parent.GetID())

    def viewer(self, scene: Any, size: tuple[int, int]) -> "Viewer":
        return Viewer(self, scene, size)

    def contents(self, scene: Any) -> dict[str, tuple[Any, ...]]:
        """Every node: name, class, parent transform, place and voxels, to see that nothing changed."""
        found = {}
        for number in range(scene.GetNumberOfNodes()):
            node = scene.GetNthNode(number)
            facts: tuple[Any, ...] = (node.GetName(), node.GetClassName())
            if node.IsA("vtkMRMLVolumeNode") and node.GetImageData() is not None:
                matrix = self.vtk.vtkMatrix4x4()
                node.GetIJKToRASMatrix(matrix)
                voxels = self.slicer.util.arrayFromVolume(node)
                place = self.slicer.util.arrayFromVTKMatrix(matrix).tobytes()
                facts += (node.GetTransformNodeID(), place, str(voxels.dtype), hash(voxels.tobytes()))
            found[node.GetID()] = facts
        return found


class Viewer:
    """Slice views as the application composes them, without the application: every pixel comes from Slicer."""

    def __init__(self, host: "Host", scene: Any, size: tuple[int, int]) -> None:
        self.host, self.scene, self.size = host, scene, size
        self.layouts = host.slicer.vtkMRMLLayoutLogic()
        self.layouts.SetMRMLScene(scene)
        self.layout = self.layouts.GetLayoutNode()
        self.layout.SetViewArrangement(self.host.slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self.logics: dict[str, Any] = {}
        self.refresh()

    def refresh(self) -> None:
        """Give every slice view its logic, as the application's layout manager does."""
        for number in range(self.scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
            node = self.scene.GetNthNodeByClass(number, "vtkMRMLSliceNode")
            if node.GetLayoutName() not in self.logics:
                logic = self.host.slicer.vtkMRMLSliceLogic()
                logic.SetMRMLApplicationLogic(self.host.application)
                logic.SetMRMLScene(self.scene)
                node.SetDimensions(*self.size, 1)
                logic.SetSliceNode(node)
                self.logics[node.GetLayoutName()] = logic

    def picture(self, name: str) -> np.ndarray:
        """Red values of every pixel (rows, columns), top row first."""
        logic = self.logics[name]
        logic.UpdatePipeline()
        blend = logic.GetBlend()
        blend.Update()
        image = blend.GetOutput()
        columns, rows, _ = image.GetDimensions()
        scalars = self.host.vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
        return np.asarray(scalars).reshape(rows, columns, -1)[::-1, :, 0]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def scene(host: Host) -> Any:
    return host.new_scene()


@pytest.fixture
def bumps() -> Callable[..., Volume]:
    """A smooth right-handed image with structure, on an awkward grid."""

    def make(name: str, size: tuple[int, int, int] = (28, 34, 6), dtype: str = "float32", seed: int = 0) -> Volume:
        shape = tuple(reversed(size))
        k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
        ball = np.exp(-3 * (i**2 + j**2 + k**2))
        array = 900 * ball * (1 + 0.4 * np.sin(5 * i + seed) * np.cos(4 * j - seed + k)) + 20
        a = np.radians(15.0)
        turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        direction = tuple((turn @ tilt).ravel())
        return Volume(array.astype(dtype), (1.3, 1.1, 4.0), (-18.0, -16.0, -9.0), direction, name)

    return make
