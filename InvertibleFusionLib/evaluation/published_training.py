"""Training FusionINN as its authors' script does (inn_train.py of the official code)."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from InvertibleFusionLib.evaluation.freia_graph import freia_graph
from InvertibleFusionLib.models.fusioninn import PRESETS, FusionINN
from InvertibleFusionLib.training.losses import multiscale_mmd


class PublishedTraining:
    """The step of inn_train.py: graph forwards with its Jacobians, losses, graph backwards, losses, Adam.

    Args:
        images: a first batch (batch, 2, rows, columns), which sets what depends on data and the size.
    """

    def __init__(self, images: Tensor) -> None:
        network = FusionINN(PRESETS["paper"])
        network.flow.initialize(images.cpu())
        self._graph = freia_graph(network, images.shape[2], images.shape[3]).to(images.device).train()
        self._optimizer = torch.optim.Adam(self._graph.parameters(), lr=3e-4)
        self._window = _window(images)

    def step(self, images: Tensor) -> Tensor:
        """One step on images (batch, 2, rows, columns) of that size; the loss before it."""
        (fused, z), _ = self._graph(images)
        fused = torch.sigmoid(fused)
        forwards = _likeness(fused.expand_as(images), images, self._window) + multiscale_mmd(z, torch.randn_like(z))
        decomposed, _ = self._graph([fused, torch.randn_like(z)], rev=True)
        backwards = _likeness(torch.sigmoid(decomposed), images, self._window)
        self._optimizer.zero_grad()
        loss = 0.5 * forwards + 0.5 * backwards
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()


def _likeness(made: Tensor, given: Tensor, window: Tensor) -> Tensor:
    """.8 · (1 − SSIM) + .2 · mean squared error, each source on its own as in the script."""
    terms = []
    for channel in range(2):
        image, source = made[:, channel : channel + 1], given[:, channel : channel + 1]
        similarity = _separable_ssim(image, source, window)
        terms.append(0.8 * (1 - similarity) + 0.2 * torch.nn.functional.mse_loss(image, source))
    return 0.5 * terms[0] + 0.5 * terms[1]


def _window(like: Tensor) -> Tensor:
    offset = torch.arange(11, dtype=torch.float32, device=like.device) - 5
    window = torch.exp(-(offset**2) / (2 * 1.5**2))
    return (window / window.sum())[None, None, :, None]


def _separable_ssim(first: Tensor, second: Tensor, window: Tensor) -> Tensor:
    """SSIM with two one-dimensional convolutions for each moment, as the package that the script uses computes it."""

    def blurred(image: Tensor) -> Tensor:
        return conv2d(conv2d(image, window), window.transpose(2, 3))

    mean1, mean2 = blurred(first), blurred(second)
    variance1 = blurred(first * first) - mean1 * mean1
    variance2 = blurred(second * second) - mean2 * mean2
    covariance = blurred(first * second) - mean1 * mean2
    structure = (2 * covariance + 9e-4) / (variance1 + variance2 + 9e-4)
    return ((2 * mean1 * mean2 + 1e-4) / (mean1 * mean1 + mean2 * mean2 + 1e-4) * structure).mean()
