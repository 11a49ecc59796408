"""InvertibleFusion: fuse brain volumes, take the fused image apart again, synthesize contrasts. Research use only.

    from InvertibleFusionLib import Volume, load_model, fuse, decompose

    sources = [Volume.read("ADC.nii.gz"), Volume.read("FLAIR.nii.gz")]
    fusion = fuse(load_model("fusioninn-t1gd-flair"), sources, resample=True)
    fusion.image.write("fused.nrrd")

The layers, from the bottom up; imports run downwards only:

    flows                   layers that run backwards
    kernels     ← flows     faster ways to compute FusionINN's flow and iVAN's dense blocks on a CPU
    models      ← flows, kernels        the networks, and the files that hold them
    volumes                 arrays with a place in the patient; reading, writing, grids, intensities, slices
    phantom     ← volumes               simulated patients
    inference   ← models, kernels, volumes   the slice engine and its tasks: fuse, synthesize, decompose
    mrml        ← inference             3D Slicer's nodes; it alone imports slicer and vtk
    metrics                 how good an image is
    training    ← inference, metrics, phantom   data, losses, the loop
    evaluation  ← training, phantom     comparisons with other ways of doing it, the demonstration
    commands    ← everything above      one module for each command; they alone print
    cli         ← commands              the command invertible-fusion

``errors`` stands below all of them. Importing this package brings neither torch nor SimpleITK with it: the names
below are loaded when they are first used, so that Slicer starts fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from InvertibleFusionLib._version import __version__

if TYPE_CHECKING:
    from InvertibleFusionLib.errors import InvertibleFusionError
    from InvertibleFusionLib.inference.decomposition import Decomposition, Estimate, decompose
    from InvertibleFusionLib.inference.fusion import Fusion, fuse
    from InvertibleFusionLib.inference.plan import Settings
    from InvertibleFusionLib.inference.synthesis import Synthesis, synthesize
    from InvertibleFusionLib.models.shipped import load_model
    from InvertibleFusionLib.volumes.volume import Volume

_HOME = {
    "Decomposition": "inference.decomposition",
    "Estimate": "inference.decomposition",
    "Fusion": "inference.fusion",
    "InvertibleFusionError": "errors",
    "Settings": "inference.plan",
    "Synthesis": "inference.synthesis",
    "Volume": "volumes.volume",
    "decompose": "inference.decomposition",
    "fuse": "inference.fusion",
    "load_model": "models.shipped",
    "synthesize": "inference.synthesis",
}

__all__ = [
    "Decomposition",
    "Estimate",
    "Fusion",
    "InvertibleFusionError",
    "Settings",
    "Synthesis",
    "Volume",
    "__version__",
    "decompose",
    "fuse",
    "load_model",
    "synthesize",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
