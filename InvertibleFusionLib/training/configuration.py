"""What a training run is told: typed, checked before anything starts, written as YAML."""

from dataclasses import dataclass, field
from pathlib import Path

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.fusioninn import FusionINNConfiguration
from InvertibleFusionLib.training.losses import LossWeights
from InvertibleFusionLib.volumes.intensity import IntensityScale


@dataclass(frozen=True)
class DataSource:
    """Where training images come from and under which terms.

    Attributes:
        name: of the data set.
        licence: under which it may be used.
        attribution: how its authors ask to be named.
        patients: folders relative to the data folder, one for each patient, with one file for each contrast.
    """

    name: str
    licence: str
    attribution: str
    patients: list[str]


@dataclass(frozen=True)
class TrainingConfiguration:
    """A whole training run.

    Attributes:
        name: of the model.
        contrasts: the inputs, as the files in the patients' folders are called.
        training: data to learn from.
        validation: data of other patients to measure on.
        intended_use: what the model is for, for its card.
        data_folder: what the patients' folders are relative to.
        network: the FusionINN.
        intensity: the scale, stored with the model.
        loss: weights of the terms.
        steps: optimization steps.
        batch_size: crops in a step.
        crop: rows and columns of a crop; even.
        learning_rate: peak; it falls to zero along a cosine.
        warmup_steps: over which the rate rises at the start.
        gradient_norm: gradients are clipped to this.
        noise: standard deviation added to the sources, so that the likelihood of a constant background is finite.
        gamma: largest exponent of the grey-scale augmentation; each contrast gets one in [1/gamma, gamma].
        gain: largest factor of the brightness augmentation; in [1/gain, gain].
        seed: of everything random.
        threads: of the CPU.
    """

    name: str
    contrasts: list[str]
    training: list[DataSource]
    validation: list[DataSource]
    intended_use: str
    data_folder: Path = Path()
    network: FusionINNConfiguration = field(default_factory=FusionINNConfiguration)
    intensity: IntensityScale = field(default_factory=IntensityScale)
    loss: LossWeights = field(default_factory=LossWeights)
    steps: int = 3000
    batch_size: int = 8
    crop: int = 112
    learning_rate: float = 2e-3
    warmup_steps: int = 50
    gradient_norm: float = 1.0
    noise: float = 0.004
    gamma: float = 1.6
    gain: float = 1.3
    seed: int = 0
    threads: int = 2

    def __post_init__(self) -> None:
        if len(self.contrasts) != 2:
            raise ConfigurationError(f"FusionINN takes two contrasts, not {len(self.contrasts)}.")
        if self.crop % 2 or self.crop < 12:
            raise ConfigurationError(f"The crop must be even and at least 12, not {self.crop}.")
        if min(self.steps, self.batch_size) < 1:
            raise ConfigurationError("A training run needs at least one step and one crop in a step.")
        if not self.training or not self.validation or not all(s.patients for s in (*self.training, *self.validation)):
            raise ConfigurationError("Training and validation each need at least one source with at least one patient.")
        if not (self.learning_rate > 0 and self.gradient_norm > 0 and self.noise >= 0 and self.threads >= 1):
            raise ConfigurationError("Learning rate, gradient norm and threads must be positive, the noise at least 0.")
        if min(self.gamma, self.gain) < 1:
            raise ConfigurationError(f"Gamma and gain are at least 1 (no change), not {self.gamma} and {self.gain}.")
        seen = {p for source in self.training for p in source.patients}
        both = sorted(seen & {p for source in self.validation for p in source.patients})
        if both:
            raise ConfigurationError(f"{both[0]} is in the training and the validation data; a patient is in one only.")
