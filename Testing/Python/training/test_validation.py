"""Measuring with networks whose results are known."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.training.data import PatientSlices, for_reporting
from InvertibleFusionLib.training.validation import Measurement, head_of, measure, quick_check

PAIR = ["T1Gd", "FLAIR"]


@dataclass
class Remembering:
    """Fuses to a rule's image, and gives back the very sources that it saw, off by an error with a known spread."""

    rule: str = "mean"
    error: float = 0.0
    spread: float = 0.01
    multiple: int = 2
    seen: Tensor | None = None

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def __call__(self, sources: Tensor) -> Tensor:
        assert sources.shape[2] % self.multiple == sources.shape[3] % self.multiple == 0
        self.seen = sources
        fused = sources.mean(1, keepdim=True) if self.rule == "mean" else sources.amax(1, keepdim=True)
        return torch.cat((fused, torch.zeros_like(fused)), dim=1)

    def image(self, latent: Tensor) -> Tensor:
        return latent[:, :1]

    def decompose(
        self, image: Tensor, latent: Tensor | None = None, samples: int = 1, seeds: list[int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        assert self.seen is not None
        assert seeds is not None
        noise = torch.randn(self.seen.shape, generator=torch.Generator().manual_seed(seeds[0]))
        size = torch.linspace(0.5, 1.5, self.seen.shape[3])
        spread = (self.spread * size).expand_as(self.seen)
        return self.seen + self.error * size * noise, spread if samples > 1 else None


def patient(shape: tuple[int, int] = (31, 29), lesions: tuple[int, ...] = (), slices: int = 3) -> PatientSlices:
    generator = np.random.default_rng(0)
    images = np.zeros((slices, 2, *shape), np.float32)
    images[:, :, 3:-3, 3:-3] = 0.2 + 0.6 * generator.random((slices, 2, shape[0] - 6, shape[1] - 6))
    mask = np.zeros((slices, *shape), bool)
    for number in lesions:
        mask[number, 10:15, 12:17] = True
    return PatientSlices("someone", images, mask if lesions else None)


def measured(network: Remembering, *patients: PatientSlices) -> Measurement:
    return measure(network, patients, PAIR, "as made")  # type: ignore[arg-type]


def similarity(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    from skimage.metrics import structural_similarity as scikit_image

    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    whole = scikit_image(first.astype(np.float64), second.astype(np.float64), full=True, **options)[1]
    return float(whole[5:-5, 5:-5].mean())


def test_a_perfect_decomposition_has_similarity_one_and_a_calibration() -> None:
    result = measured(Remembering(), patient(lesions=(1,)))
    found = [value for _, _, row in result.rows for name, value in row.items() if name.startswith("decomposition")]
    assert len(found) == 3 * 6 + 3 * 2 + 2
    assert found == pytest.approx([1.0] * len(found), abs=1e-6)
    for contrast in PAIR:
        calibration = result.calibration[contrast]
        assert (calibration.pearson, calibration.within_one, calibration.scale) == (0.0, 1.0, 0.0)


def test_a_true_spread_is_found_calibrated_and_half_of_it_is_not() -> None:
    true = measured(Remembering(error=0.02, spread=0.02), patient(slices=6)).calibration["FLAIR"]
    assert true.within_one == pytest.approx(0.683, abs=0.03)
    assert true.within_two == pytest.approx(0.954, abs=0.02)
    assert true.scale == pytest.approx(1, abs=0.03)
    half = measured(Remembering(error=0.02, spread=0.01), patient(slices=6)).calibration["FLAIR"]
    assert half.scale == pytest.approx(2, abs=0.06)


@pytest.mark.parametrize(("rule", "name"), [("mean", "mean of the sources"), ("maximum", "maximum of the sources")])
def test_fusion_is_measured_as_the_rule_that_it_is(rule: str, name: str) -> None:
    """The trivial rules beside it are right too: against scikit-image."""
    slices = patient()
    for (_, _, row), images in zip(measured(Remembering(rule=rule), slices).rows, slices.images, strict=True):
        fused = images.mean(0) if rule == "mean" else images.max(0)
        expected = np.mean([similarity(fused, source) for source in images])
        assert row["fusion SSIM, mean of both sources"] == pytest.approx(expected, abs=1e-5)
        assert row[f"{name}: fusion SSIM, mean of both sources"] == pytest.approx(expected, abs=1e-5)
        assert row["fusion Q_AB/F"] == pytest.approx(row[f"{name}: fusion Q_AB/F"], abs=1e-6)
        for contrast, source in zip(PAIR, images, strict=True):
            assert row[f"fusion SSIM with {contrast}"] == pytest.approx(similarity(fused, source), abs=1e-5)


@pytest.mark.parametrize("shape", [(31, 29), (30, 29), (32, 30), (21, 44)], ids=str)
def test_slices_of_any_size_are_measured_without_what_was_added(shape: tuple[int, int]) -> None:
    result = measured(Remembering(multiple=4), patient(shape, slices=1))
    [(who, number, row)] = result.rows
    assert (who, number) == ("someone", 0)
    assert row["decomposition SSIM of T1Gd from the image alone, one sample"] == pytest.approx(1, abs=1e-6)
    assert sum(part.count for part in result.calibration["T1Gd"].bins) == (shape[0] - 6) * (shape[1] - 6)


def test_only_slices_with_a_lesion_are_measured_in_the_lesion() -> None:
    rows = measured(Remembering(error=0.05), patient(lesions=(0, 2))).rows
    inside = [any("lesion" in name for name in row) for _, _, row in rows]
    assert inside == [True, False, True]
    assert not any("lesion" in name for _, _, row in measured(Remembering(), patient()).rows for name in row)


def test_the_lesion_is_where_the_mask_is() -> None:
    """An error in the lesion alone is seen there more than in the head or the whole slice."""

    class Spoiling(Remembering):
        def decompose(self, *arguments: object, **options: object) -> tuple[Tensor, Tensor | None]:
            result, spread = super().decompose(*arguments, **options)  # type: ignore[arg-type]
            spoilt = result.clone()
            spoilt[:, 1, 10:15, 12:17] = 0.5
            return spoilt, spread

    [(_, _, row)] = measured(Spoiling(), patient(lesions=(0,), slices=1)).rows
    whole, head, lesion = (
        row[f"decomposition SSIM of FLAIR from the image alone, {where}"]
        for where in ("mean of 8 samples", "inside the head", "inside the lesion")
    )
    assert lesion < head - 0.1 < head < 1
    assert lesion < whole - 0.1
    assert row["decomposition SSIM of T1Gd from the image alone, inside the lesion"] == pytest.approx(1, abs=1e-6)


def test_a_fused_image_is_measured_in_the_lesion_too() -> None:
    """A rule that shows nothing of a lesion is seen there; the maximum and the mean stand beside it."""

    class Blind(Remembering):
        def image(self, latent: Tensor) -> Tensor:
            spoilt = latent[:, :1].clone()
            spoilt[..., 10:15, 12:17] = 0.5
            return spoilt

    [(_, _, row)] = measured(Blind(), patient(lesions=(0,), slices=1)).rows
    for contrast in PAIR:
        inside = row[f"fusion SSIM with {contrast}, inside the lesion"]
        assert inside < row[f"mean of the sources: fusion SSIM with {contrast}, inside the lesion"] - 0.1
        assert inside < row[f"fusion SSIM with {contrast}"] - 0.1
    assert "maximum of the sources: fusion SSIM with FLAIR, inside the lesion" in row


def test_summaries_are_of_the_slices_that_have_the_measure() -> None:
    row = "decomposition SSIM of T1Gd from the image alone, inside the lesion"
    rows = [("a", number, {row: value} if value else {}) for number, value in enumerate((0.5, None, 0.9, 0.7))]
    [summary] = Measurement(rows, {}, "made up").summaries()  # type: ignore[arg-type]
    assert (summary["mean"], summary["slices"], summary["data"]) == (0.7, 3, "made up")
    assert summary["standard_deviation"] == pytest.approx(np.std([0.5, 0.9, 0.7]), abs=1e-4)
    assert summary["percentiles"]["50"] == 0.7


def test_small_and_large_figures_keep_their_digits() -> None:
    rows = [("a", 0, {"NMSE": 0.00014117, "PSNR": 47.0213})]
    nmse, psnr = Measurement(rows, {}, "made up").summaries()
    assert (nmse["mean"], nmse["percentiles"]["50"], psnr["mean"]) == (0.0001412, 0.0001412, 47.02)


def test_the_data_are_said() -> None:
    other = PatientSlices("another", patient(slices=1).images)
    said = measured(Remembering(), patient(slices=2), other).data
    assert said.startswith("someone, another: 3 axial slices")


def test_the_head_has_no_holes_and_no_background() -> None:
    images = np.zeros((2, 20, 24), np.float32)
    images[0, 4:16, 5:18] = 0.5
    images[:, 8:12, 9:14] = 0.0  # the ventricles, dark in both
    images[1, 2, 2] = 0.04  # noise
    expected = np.zeros((20, 24), bool)
    expected[4:16, 5:18] = True
    np.testing.assert_array_equal(head_of(images), expected)


def test_a_quick_check_scores_both_ways() -> None:
    slices = patient()
    scores = quick_check(Remembering(), list(slices.images))  # type: ignore[arg-type]
    fusion = np.mean([similarity(images.mean(0), source) for images in slices.images for source in images])
    assert scores["fusion SSIM"] == pytest.approx(fusion, abs=1e-5)
    assert scores["decomposition SSIM"] == pytest.approx(1, abs=1e-6)
    assert scores["score"] == pytest.approx((fusion + 1) / 2, abs=1e-5)


def test_reporting_scale_divides_by_the_999_permille_and_clips() -> None:
    slices = np.random.default_rng(0).normal(100, 300, (4, 50, 50)).astype(np.float32)
    expected = np.clip(slices / np.percentile(slices, 99.9), 0, 1)
    np.testing.assert_allclose(for_reporting(slices), expected, atol=2e-3)


class Elsewhere:
    """A network on a device that is no CPU: what it is given must be there too, as on a GPU."""

    sources = multiple = 2

    def __init__(self) -> None:
        self.seen: list[str] = []

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"weight": torch.empty(1, device="meta")}

    def __call__(self, sources: torch.Tensor) -> torch.Tensor:
        self.seen.append(sources.device.type)
        raise StopIteration

    def image(self, latent: torch.Tensor) -> torch.Tensor:
        return latent


def test_slices_go_to_the_networks_device() -> None:
    network = Elsewhere()
    with pytest.raises(StopIteration):
        quick_check(network, [np.zeros((2, 13, 15), np.float32)])  # type: ignore[arg-type]
    assert network.seen == ["meta"]
