"""Geometries, files and refusals that the tests of volumes share. Files are written by SimpleITK or byte by byte."""

import struct
from typing import NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import InvertibleFusionError, UnreadableFileError


class Geometry(NamedTuple):
    spacing: tuple
    origin: tuple
    direction: tuple

    def put_on(self, image):
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image


def turned(x, y, z):
    """SimpleITK's own rotation matrix, angles in radians."""
    transform = sitk.Euler3DTransform()
    transform.SetRotation(x, y, z)
    return np.array(transform.GetMatrix()).reshape(3, 3)


GEOMETRIES = {
    "axial": Geometry((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel())),
    "oblique": Geometry((0.449, 0.449, 5.0), (-101.25, 88.5, -33.125), tuple(turned(0.31, -0.17, 0.42).ravel())),
    "mirrored": Geometry((0.9, 1.1, 3.0), (12.5, -7.25, 40.0), tuple((turned(0.1, 0.2, -0.3) * [-1, 1, 1]).ravel())),
    "sagittal": Geometry((0.7, 0.8, 4.0), (60.0, -90.0, 75.0), (0, 0, -1, 1, 0, 0, 0, -1, 0)),
}


@pytest.fixture
def rng():
    return np.random.default_rng(20250801)


@pytest.fixture(params=list(GEOMETRIES))
def geometry(request):
    return GEOMETRIES[request.param]


@pytest.fixture
def oblique():
    return GEOMETRIES["oblique"]


@pytest.fixture
def rotation():
    return turned


@pytest.fixture
def refused(capfd):
    """Reads a path that must be refused: one line, its name, all that must be said, and no chatter on the terminal."""

    def check(path, *parts, kind=UnreadableFileError, name=None):
        with pytest.raises(InvertibleFusionError) as caught:
            Volume.read(path)
        message = str(caught.value)
        assert type(caught.value) is kind
        assert "\n" not in message
        assert message.endswith(".")
        for part in (name or path.name, *parts):
            assert str(part) in message
        assert capfd.readouterr().err == ""
        return message

    return check


@pytest.fixture
def write_image():
    """Writes an array with SimpleITK alone, not with the library under test."""

    def write(path, array, geometry=GEOMETRIES["axial"], compress=False, metadata=None, vector=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = geometry.put_on(sitk.GetImageFromArray(array, isVector=vector))
        for key, value in (metadata or {}).items():
            image.SetMetaData(key, value)
        sitk.WriteImage(image, str(path), useCompression=compress)
        return image

    return write


@pytest.fixture
def nifti_bytes():
    """A NIfTI-1 file of int16, float32 or float64 voxels, byte by byte after the format's definition."""

    def make(array, *, order="<", intent=0, dim=None, offset=None, kind=None, sform=None, scale=(0, 0)):
        code = array.dtype.str[1:] if array.dtype.kind == "f" else "i2"
        kind = {"i2": 4, "f4": 16, "f8": 64}[code] if kind is None else kind
        sizes = list(reversed(array.shape)) if dim is None else dim
        sizes = [len(sizes), *sizes, *([1] * (7 - len(sizes)))]
        head = bytearray(352)
        struct.pack_into(f"{order}i", head, 0, 348)
        struct.pack_into(f"{order}8h", head, 40, *sizes)
        struct.pack_into(f"{order}3h", head, 68, intent, kind, 8 * int(code[1]))
        struct.pack_into(f"{order}8f", head, 76, *([1.0] * 8))
        struct.pack_into(f"{order}3f", head, 108, 352 if offset is None else offset, *scale)
        if sform is not None:
            struct.pack_into(f"{order}h", head, 254, 1)
            struct.pack_into(f"{order}12f", head, 280, *np.ravel(sform))
        head[344:348] = b"n+1\0"
        return bytes(head) + array.astype(order + code).tobytes()

    return make


@pytest.fixture
def write_series():
    """Writes one DICOM file per slice through SimpleITK and GDCM, with a scanner's positions and orientations."""

    def write(
        folder, array, geometry=GEOMETRIES["axial"], *, names=None, keep=None, positions=None, turns=None, uid="7"
    ):
        folder.mkdir(parents=True, exist_ok=True)
        axes = np.array(geometry.direction).reshape(3, 3)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        for k in range(len(array)) if keep is None else keep:
            own = axes if turns is None else turns[k] @ axes
            place = np.array(geometry.origin) + axes[:, 2] * geometry.spacing[2] * k
            place = place if positions is None else positions[k]
            image = sitk.GetImageFromArray(array[k])
            image.SetSpacing(geometry.spacing[:2])
            for key, value in {
                "0008|0060": "CT",
                "0008|0018": f"1.2.826.0.1.3680043.2.1125.{uid}.{k + 1}",
                "0020|000e": f"1.2.826.0.1.3680043.2.1125.{uid}",
                "0020|000d": "1.2.826.0.1.3680043.2.1125.1",
                "0020|0013": str(k + 1),
                "0020|0032": "\\".join(f"{value:.6f}" for value in place),
                "0020|0037": "\\".join(f"{value:.8f}" for value in (*own[:, 0], *own[:, 1])),
                "0018|0050": f"{geometry.spacing[2]:g}",
                "0008|103e": "Head plain",
                "0010|0010": "Doe^Jane",
                "0028|1052": "-1024",
                "0028|1053": "1",
                "0028|1054": "HU",
            }.items():
                image.SetMetaData(key, value)
            writer.SetFileName(str(folder / (names[k] if names else f"slice{k:03}.dcm")))
            writer.Execute(image)
        return folder

    return write
