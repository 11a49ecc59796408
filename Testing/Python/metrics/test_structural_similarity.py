import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity as scikit_image

from InvertibleFusionLib.metrics.structural_similarity import structural_similarity, structural_similarity_map


def golden_pair() -> tuple[torch.Tensor, torch.Tensor]:
    """The closed-form images that the published values were computed on, 0 to 255."""
    i, j = np.mgrid[:64, :64]
    a = np.round(127.5 * (1 + np.sin(i / 5) * np.cos(j / 7)))
    b = np.round(255 * (0.5 + 0.5 * np.tanh(((i - 32) ** 2 + (j - 24) ** 2 - 200) / 120)))
    assert a.sum() == 522286
    assert b.sum() == 882674
    return torch.tensor(a)[None, None], torch.tensor(b)[None, None]


def test_values_of_the_reference_implementation() -> None:
    """Wang's own ssim_index.m under GNU Octave."""
    a, b = golden_pair()
    mean = torch.floor((a + b) / 2)
    assert float(structural_similarity(a, mean, 255)) == pytest.approx(0.613741974691, abs=1e-9)
    assert float(structural_similarity(b, mean, 255)) == pytest.approx(0.447942752512, abs=1e-9)
    assert float(structural_similarity(a, b, 255)) == pytest.approx(0.097022426130, abs=1e-9)


@pytest.mark.parametrize("shape", [(11, 11), (31, 20), (17, 64)])
def test_agrees_with_scikit_image_where_conventions_agree(shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    first, second = generator.random((2, *shape))
    _, whole = scikit_image(
        first, second, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, full=True
    )
    ours = structural_similarity_map(torch.tensor(first)[None, None], torch.tensor(second)[None, None])[0, 0]
    np.testing.assert_allclose(ours, whole[5 : shape[0] - 5, 5 : shape[1] - 5], atol=1e-10)


def test_agrees_with_torchmetrics_away_from_the_border() -> None:
    """It mirrors the images at their border and takes those windows, too; here only whole windows count."""
    theirs = pytest.importorskip("torchmetrics.functional.image").structural_similarity_index_measure
    a, b = golden_pair()
    mean, whole = theirs(a, torch.floor((a + b) / 2), data_range=255.0, return_full_image=True)
    assert float(mean) == pytest.approx(0.6386, abs=1e-4)
    ours = structural_similarity_map(a, torch.floor((a + b) / 2), 255)
    np.testing.assert_allclose(ours, whole[..., 5:-5, 5:-5], atol=1e-6)


def test_channels_and_batch_entries_are_apart() -> None:
    x, y = torch.rand(2, 3, 16, 16).double(), torch.rand(2, 3, 16, 16).double()
    both = structural_similarity(x, y)
    assert both.shape == (2, 3)
    for b in range(2):
        for c in range(3):
            assert float(structural_similarity(x[b : b + 1, c : c + 1], y[b : b + 1, c : c + 1])) == pytest.approx(
                float(both[b, c])
            )


def test_identical_and_constant_images_are_one_and_finite() -> None:
    constant = torch.full((1, 1, 12, 12), 0.5)
    assert float(structural_similarity(constant, constant)) == pytest.approx(1)
    assert torch.isfinite(structural_similarity(constant, torch.zeros_like(constant))).all()


def test_gradient_leads_to_a_more_similar_image() -> None:
    target = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    image = torch.full_like(target, 0.5).requires_grad_()
    before = structural_similarity(image, target).sum()
    before.backward()
    assert image.grad is not None
    after = structural_similarity(image.detach() + 0.05 * image.grad, target)
    assert float(after) > float(before.detach())


def test_wrong_shapes_are_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match=r"11×11.*\(10, 30\)"):
        structural_similarity(torch.zeros(1, 1, 10, 30), torch.zeros(1, 1, 10, 30))
    with pytest.raises(ValueError, match="one shape"):
        structural_similarity(torch.zeros(1, 1, 12, 12), torch.zeros(1, 1, 12, 13))
