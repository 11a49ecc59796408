"""Shared by all tests: a small model with weights off their start, and sources with an awkward geometry."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.fusioninn import PRESETS, FusionINN
from InvertibleFusionLib.models.ivan import Ivan, IvanConfiguration
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.model_file import read_model, save_model
from InvertibleFusionLib.volumes.volume import Volume


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """The machines that run the tests are small and shared."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file whose every weight is random, so that nothing in it is the identity."""
    network = FusionINN(PRESETS["default"], seed=1)
    torch.manual_seed(1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.06)
    card = ModelCard(
        name="for-tests",
        architecture="fusioninn",
        configuration=PRESETS["default"].to_json(),
        task="fusion",
        inputs=["ADC", "FLAIR"],
        outputs=["fused"],
        intensity={"method": "percentile", "lower": 0.1, "upper": 99.9},
    )
    path = tmp_path_factory.mktemp("model") / "for-tests.safetensors"
    save_model(network, card, path)
    return path


@pytest.fixture(scope="session")
def model(model_file: Path) -> Model:
    return read_model(model_file)


MakeSynthesisFile = Callable[..., Path]


@pytest.fixture(scope="session")
def synthesis_file(tmp_path_factory: pytest.TempPathFactory) -> MakeSynthesisFile:
    """Makes the file of a tiny iVAN for named inputs and outputs, "PET" in colour, a few optimizer steps off its start.

    It scales by a fixed window from 0 to 1000 unless told otherwise, so that a test can scale by hand.
    """
    made: dict[str, Path] = {}

    def make(inputs: str, outputs: str, intensity: dict[str, object] | None = None) -> Path:
        key = f"{inputs} → {outputs} {intensity}"
        if key not in made:
            channels = [tuple(3 if name == "PET" else 1 for name in names.split()) for names in (inputs, outputs)]
            network = Ivan(IvanConfiguration(*channels, blocks=3, growth=3), seed=1)
            _step_off_the_start(network)
            card = ModelCard(
                name=f"tiny-{inputs}-{outputs}".lower().replace(" ", "-"),
                architecture="ivan",
                configuration=network.configuration.to_json(),
                task="synthesis",
                inputs=inputs.split(),
                outputs=outputs.split(),
                intensity=intensity or {"method": "window", "lower": 0.0, "upper": 1000.0},
            )
            made[key] = tmp_path_factory.mktemp("synthesis") / f"{card.name}.safetensors"
            save_model(network, card, made[key])
        return made[key]

    return make


def _step_off_the_start(network: Ivan) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(2)
    for _ in range(6):
        x = torch.rand(2, sum(network.inputs), 8, 8, generator=generator)
        y = torch.rand(2, sum(network.outputs), 8, 8, generator=generator)
        loss = (network(x) - network.tile(y)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def oblique(degrees: float = 20.0, mirrored: bool = False) -> tuple[float, ...]:
    """A direction turned about two axes, left-handed if mirrored."""
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    return tuple((turn @ tilt @ np.diag([1, -1 if mirrored else 1, 1])).ravel())


def blob(shape: tuple[int, int, int], seed: int, dtype: str = "float32", highest: float = 1000.0) -> Volume:
    """A volume that looks a little like a head: a bright ball with structure in a dark background."""
    generator = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    image = np.where(radius < 0.8, 0.4 + 0.3 * np.sin(5 * axes[1] + seed) * np.cos(4 * axes[2]), 0.0)
    image = highest * np.clip(image + 0.02 * generator.random(shape), 0, 1)
    return Volume(
        image.astype(dtype),
        spacing=(0.9, 1.1, 3.5),
        origin=(-50.0, 31.0, 7.5),
        direction=oblique(mirrored=True),
        name=["ADC", "FLAIR"][seed % 2],
        units=["1e-6 mm2/s", ""][seed % 2],
    )


@pytest.fixture
def sources() -> list[Volume]:
    """Two volumes on one odd-sized, anisotropic, oblique, left-handed grid."""
    return [blob((5, 33, 27), 0), blob((5, 33, 27), 1, "int16", 800)]
