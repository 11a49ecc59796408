"""Scans and a synthesis model for the panel's tests, small enough that a run takes less than a second."""

from pathlib import Path
from typing import Any

import numpy as np

SIZE = (24, 20, 6)


def scan(name: str, seed: int = 0, size: tuple[int, int, int] = SIZE, shift: float = 0.0, dtype: str = "int16") -> Any:
    """A volume node in Slicer's scene: a bright ball with structure in a dark background."""
    import slicer

    from InvertibleFusionLib.mrml.images import loose_node
    from InvertibleFusionLib.volumes.volume import Volume

    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in reversed(size)), indexing="ij")
    ball = np.exp(-3 * (i**2 + j**2 + k**2)) * (1 + 0.4 * np.sin(5 * i + seed) * np.cos(4 * j - seed + k))
    array = (900 * ball + 20).astype(dtype)
    node = loose_node(Volume(array, (4.0, 4.5, 6.0), (-40.0 + shift, -40.0, -15.0), name=name))
    display = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
    display.SetAutoWindowLevel(0)
    display.SetWindowLevelMinMax(0, 900)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")  # a view that shows it needs colours
    added = slicer.mrmlScene.AddNode(node)
    added.SetAndObserveDisplayNodeID(display.GetID())
    return added


def synthesis_model(folder: Path, inputs: list[str], outputs: list[str]) -> Path:
    """The file of an untrained iVAN; "PET" is in colour."""
    from InvertibleFusionLib.models.card import ModelCard
    from InvertibleFusionLib.models.ivan import Ivan, IvanConfiguration
    from InvertibleFusionLib.models.model_file import save_model

    channels = [tuple(3 if name == "PET" else 1 for name in names) for names in (inputs, outputs)]
    network = Ivan(IvanConfiguration(*channels, blocks=1, growth=3), seed=1)
    card = ModelCard(
        name="tiny",
        architecture="ivan",
        configuration=network.configuration.to_json(),
        task="synthesis",
        inputs=inputs,
        outputs=outputs,
        intensity={"method": "window", "lower": 0.0, "upper": 1000.0},
    )
    save_model(network, card, folder / "tiny.safetensors")
    return folder / "tiny.safetensors"


def model_that_does_without(folder: Path, inputs: list[str], output: str) -> Path:
    """The file of an untrained feature-disentanglement GAN whose card says that it learnt to do without inputs."""
    from InvertibleFusionLib.models.card import ModelCard
    from InvertibleFusionLib.models.disentangled_gan import DisentangledGANConfiguration, DisentangledGenerator
    from InvertibleFusionLib.models.model_file import save_model

    network = DisentangledGenerator(DisentangledGANConfiguration(len(inputs), base_channels=2, residual_blocks=1), 1)
    card = ModelCard(
        name="tiny-gan",
        architecture="disentangled-gan",
        configuration=network.configuration.to_json(),
        task="synthesis",
        inputs=inputs,
        outputs=[output],
        intensity={"method": "window", "lower": 0.0, "upper": 1000.0},
        training={"settings": {"loss": {"input_dropout": 0.3}}},
    )
    save_model(network, card, folder / "tiny-gan.safetensors")
    return folder / "tiny-gan.safetensors"
