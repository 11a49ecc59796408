"""The settings of a network and its losses: told in the words of the network that is trained, not of all others."""

from typing import Any

import pytest

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.gan_objective import GANLoss
from InvertibleFusionLib.training.ivan_objective import IvanLoss
from InvertibleFusionLib.training.losses import LossWeights
from InvertibleFusionLib.training.synthesis_baseline_objective import SynthesisBaselineLoss


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        (LossWeights, "latent"),
        (IvanLoss, "weight"),
        (GANLoss, "target"),
        (GANLoss, "pseudo_target"),
        (SynthesisBaselineLoss, "deceive"),
        (SynthesisBaselineLoss, "reconstruct"),
    ],
)
@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_weights_of_losses_are_finite(kind: type[Any], weight: str, value: float) -> None:
    """With an infinite one nothing else would be learnt, and the run would stop at its first step."""
    with pytest.raises(ConfigurationError, match=f"finite and at least 0, not .*{value}"):
        kind(**{weight: value})
