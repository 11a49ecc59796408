"""Similarity as people see it: VIF and LPIPS, with torchmetrics (of the extra ``evaluation``)."""

import pickle
import warnings
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from InvertibleFusionLib.errors import ModelFileError
from InvertibleFusionLib.metrics.image_stacks import Stack, check_data_range, image_and_target

VIF_SMALLEST, LPIPS_SMALLEST = 41, 31
CONVOLUTIONS = {0: (11, 4, 2), 3: (5, 1, 2), 6: (3, 1, 1), 8: (3, 1, 1), 10: (3, 1, 1)}
"""Size, stride and padding of AlexNet's convolutions, by their number in torchvision's file."""
POOLED_FIRST = (3, 6)
CENTRE, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
UNREADABLE = (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError, LookupError, TypeError)


def visual_information_fidelity(image: ArrayLike, target: ArrayLike, *, data_range: float = 1.0) -> float:
    """VIF in the pixel domain (Sheikh and Bovik 2006), by torchmetrics, in float64 on a range of 255.

    The share of the target's information that can still be seen in the image; the mean over the slices that hold
    information.

    Args:
        image: (rows, columns) or (slices, rows, columns), at least 41×41 pixels.
        target: what it should be; the same shape.
        data_range: the span of possible values.

    Returns:
        1 for equal images, about 0 for unrelated ones; above 1 where contrast was added. Where the whole target is
        constant, slice by slice: 1 if the image is equal, else 0.

    Raises:
        ValueError: when shapes differ or the images are smaller.
    """
    from torchmetrics.functional.image import visual_information_fidelity as fidelity

    result, wanted = _checked(image, target, data_range, VIF_SMALLEST, "VIF")
    values = []
    for first, second in zip(result, wanted, strict=True):
        if np.ptp(second) > 0:
            pair = torch.from_numpy(np.stack((first, second)) * (255 / data_range))[:, None, None]
            values.append(float(fidelity(pair[0], pair[1])))
    return float(np.mean(values)) if values else float(np.array_equal(result, wanted))


@dataclass(frozen=True)
class LearnedPerceptualDistance:
    """LPIPS 0.1 on AlexNet (Zhang et al. 2018), distance of features weighted as people judged; see ``load_lpips``.

    Attributes:
        weights: of the five convolutions.
        biases: of the same.
        heads: one weight for each feature.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    heads: tuple[Tensor, ...]

    def __call__(self, image: ArrayLike, target: ArrayLike, *, data_range: float = 1.0) -> float:
        """The distance, from 0 for equal images on; the mean over slices. Learnt from photographs, not from MRI.

        Args:
            image: (rows, columns) or (slices, rows, columns), grey, at least 31×31 pixels, from 0 to ``data_range``.
            target: what it should be; the same shape.
            data_range: the span of possible values.

        Raises:
            ValueError: when shapes differ or the images are smaller.
        """
        result, wanted = _checked(image, target, data_range, LPIPS_SMALLEST, "LPIPS")
        distances = [self._distance(np.stack(pair) / data_range) for pair in zip(result, wanted, strict=True)]
        return float(np.mean(distances))

    @torch.no_grad()
    def _distance(self, pair: Stack) -> float:
        values = (2 * torch.from_numpy(pair) - 1)[:, None].expand(-1, 3, -1, -1)
        centre, scale = (torch.tensor(row, dtype=torch.float64)[:, None, None] for row in (CENTRE, SCALE))
        features, distance = (values - centre) / scale, 0.0
        for layer, (number, (_, stride, padding)) in enumerate(CONVOLUTIONS.items()):
            if number in POOLED_FIRST:
                features = functional.max_pool2d(features, 3, stride=2)
            features = functional.conv2d(features, self.weights[layer], self.biases[layer], stride, padding)
            features = torch.relu(features)
            direction = features / torch.sqrt(1e-8 + (features**2).sum(dim=1, keepdim=True))
            distance += float((self.heads[layer] * (direction[0] - direction[1]) ** 2).sum(dim=0).mean())
        return distance


def load_lpips(weights: Path | None) -> LearnedPerceptualDistance:
    """LPIPS with the weights of AlexNet from a file.

    torchmetrics brings the weights of the features along, but not AlexNet's own, and nothing is downloaded here.

    Args:
        weights: torchvision's ``alexnet-owt-7be5be79.pth``, or its tensors as ``.safetensors``. The first is a pickle;
            it is read with ``weights_only=True``, which admits tensors and plain containers alone.

    Raises:
        ModelFileError: when no file is given, it is missing or it is not AlexNet's.
    """
    if weights is None:
        raise ModelFileError(
            "LPIPS needs AlexNet's weights, which are not part of this program: get alexnet-owt-7be5be79.pth from "
            "https://download.pytorch.org/models/ and give its path."
        )
    if not weights.is_file():
        raise ModelFileError(f"There is no file {weights} with AlexNet's weights. Check its name and folder.")
    heads_file = resources.files("torchmetrics") / "functional" / "image" / "lpips_models" / "alex.pth"
    bundled, state = _read(Path(str(heads_file))), _read(weights)
    heads = tuple(bundled[f"lin{layer}.model.1.weight"].double()[0] for layer in range(len(CONVOLUTIONS)))
    channels = [3, *(len(head) for head in heads)]
    shapes: dict[str, tuple[int, ...]] = {}
    for (number, (size, _, _)), (before, after) in zip(CONVOLUTIONS.items(), pairwise(channels), strict=True):
        shapes[f"features.{number}.weight"] = (after, before, size, size)
        shapes[f"features.{number}.bias"] = (after,)
    for name, shape in shapes.items():
        if name not in state or tuple(state[name].shape) != shape:
            raise ModelFileError(f"{weights} is not a file of AlexNet's weights: it lacks {name} of the shape {shape}.")
    tensors = [state[name].double() for name in shapes]
    return LearnedPerceptualDistance(tuple(tensors[0::2]), tuple(tensors[1::2]), heads)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a damaged file torch may warn before it fails
                content = dict(torch.load(path, map_location="cpu", weights_only=True))
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}. Check its permissions.") from error
    except UNREADABLE as error:
        raise ModelFileError(
            f"{path} is not a file of plain tensors, or is cut or damaged; nothing of it was run."
        ) from error
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _checked(image: ArrayLike, target: ArrayLike, data_range: float, smallest: int, name: str) -> tuple[Stack, Stack]:
    check_data_range(data_range)
    result, wanted = image_and_target(image, target)
    if min(result.shape[1:]) < smallest:
        raise ValueError(f"{name} needs images of at least {smallest}×{smallest} pixels, not {result.shape[1:]}.")
    return result, wanted
