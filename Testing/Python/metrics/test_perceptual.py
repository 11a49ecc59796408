import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from InvertibleFusionLib.errors import ModelFileError
from InvertibleFusionLib.metrics.perceptual import load_lpips, visual_information_fidelity

SHAPES = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}


@pytest.fixture(scope="module")
def state():
    """Closed-form weights of AlexNet's sizes; the real ones are not to be had without a download."""
    tensors = {}
    for number, shape in SHAPES.items():
        waves = np.sin(np.arange(np.prod(shape)) * (number + 1.7))
        weight = waves * np.sqrt(2 / np.prod(shape[1:])) * 1.4
        tensors[f"features.{number}.weight"] = torch.tensor(weight.reshape(shape), dtype=torch.float32)
        tensors[f"features.{number}.bias"] = torch.tensor(0.05 * np.cos(np.arange(shape[0])), dtype=torch.float32)
    return tensors


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("lpips") / "alexnet.pth"
    torch.save({**state, "classifier.1.weight": torch.zeros(2, 2)}, path)
    return path


def test_lpips_is_torchmetrics_own(weights, golden_mean):
    """The values of torchmetrics 1.9 on torchvision's AlexNet with the closed-form weights."""
    a, b = golden_mean.sources
    lpips = load_lpips(weights)
    assert lpips(a, b, data_range=255) == pytest.approx(0.1721282198, abs=1e-6)
    assert lpips(a, golden_mean.fused, data_range=255) == pytest.approx(0.0530199744, abs=1e-6)
    assert lpips(a / 255, b / 255) == pytest.approx(lpips(a, b, data_range=255), abs=1e-9)
    assert lpips(a, a, data_range=255) == 0
    stack = np.stack((a, a)), np.stack((b, golden_mean.fused))
    assert lpips(*stack, data_range=255) == pytest.approx((0.1721282198 + 0.0530199744) / 2, abs=1e-6)


def test_lpips_reads_safetensors_and_the_smallest_images(state, weights, tmp_path):
    save_file(state, tmp_path / "alexnet.safetensors")
    first, second = np.random.default_rng(0).random((2, 31, 33))
    distance = load_lpips(tmp_path / "alexnet.safetensors")(first, second)
    assert distance == load_lpips(weights)(first, second) > 0
    assert np.isfinite(load_lpips(weights)(np.zeros((31, 31)), np.ones((31, 31))))
    with pytest.raises(ValueError, match=r"31×31 pixels, not \(30, 33\)"):
        load_lpips(weights)(first[:30], second[:30])


def test_lpips_without_weights_is_refused_in_words(tmp_path, state):
    with pytest.raises(ModelFileError, match=r"alexnet-owt-7be5be79\.pth"):
        load_lpips(None)
    with pytest.raises(ModelFileError, match="There is no file"):
        load_lpips(tmp_path / "none.pth")
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text("not weights")
        with pytest.raises(ModelFileError, match="cut or damaged"):
            load_lpips(tmp_path / name)
    save_file({name: tensor for name, tensor in state.items() if "6" not in name}, tmp_path / "few.safetensors")
    with pytest.raises(ModelFileError, match=r"lacks features\.6\.weight of the shape \(384, 192, 3, 3\)"):
        load_lpips(tmp_path / "few.safetensors")


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_weights_file_cannot_run_code(tmp_path):
    torch.save({"features.0.weight": Evil(tmp_path / "ran")}, tmp_path / "evil.pth")
    with pytest.raises(ModelFileError, match="nothing of it was run"):
        load_lpips(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_vif_falls_with_noise_and_rises_with_contrast(golden_mean):
    a, b = golden_mean.sources
    noise = np.random.default_rng(0).standard_normal(a.shape)
    values = [visual_information_fidelity(a + scale * noise, a, data_range=255) for scale in (0, 5, 40)]
    assert values[0] == pytest.approx(1)
    assert 1 > values[1] > values[2] > 0
    assert visual_information_fidelity(1.3 * a, a, data_range=255) > 1
    assert visual_information_fidelity(b, a, data_range=255) < 0.3


def test_vif_is_computed_on_a_range_of_255(golden_mean):
    """torchmetrics takes the noise of the eye in grey levels of 255; on [0, 1] it would drown everything."""
    a, fused = golden_mean.sources[0], golden_mean.fused
    from torchmetrics.functional.image import visual_information_fidelity as theirs

    expected = float(theirs(torch.tensor(fused)[None, None], torch.tensor(a)[None, None]))
    assert visual_information_fidelity(fused, a, data_range=255) == pytest.approx(expected)
    assert visual_information_fidelity(fused / 255, a / 255) == pytest.approx(expected)
    assert visual_information_fidelity(fused.astype(np.uint8), a.astype(np.uint8), data_range=255) == pytest.approx(
        expected
    )
    blank = np.full_like(a, 0.7)
    assert visual_information_fidelity(np.stack((fused, blank)), np.stack((a, blank)), data_range=255) == pytest.approx(
        expected
    )


def test_vif_of_constant_and_small_images():
    flat, image = np.full((41, 43), 0.3), np.random.default_rng(0).random((41, 43))
    assert visual_information_fidelity(flat, flat) == 1
    assert visual_information_fidelity(image, flat) == 0
    assert visual_information_fidelity(flat, image) == pytest.approx(0)
    with pytest.raises(ValueError, match=r"41×41 pixels, not \(40, 43\)"):
        visual_information_fidelity(image[:40], flat[:40])
    with pytest.raises(ValueError, match="target has the shape"):
        visual_information_fidelity(image, flat.T)


def test_without_torchmetrics_the_missing_module_is_the_one_that_the_command_knows(monkeypatch, weights):
    from InvertibleFusionLib.cli import EXTRAS

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchmetrics"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    image = np.zeros((41, 41))
    for needs_it in (lambda: visual_information_fidelity(image, image + image.T), lambda: load_lpips(weights)):
        with pytest.raises(ModuleNotFoundError) as caught:
            needs_it()
        assert EXTRAS[caught.value.name] == "evaluation"
