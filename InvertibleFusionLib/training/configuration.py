"""What a training run is told: typed, checked before anything starts, written as YAML."""

from dataclasses import dataclass, field
from pathlib import Path

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.fusioninn import FusionINNConfiguration
from InvertibleFusionLib.training.data import Augmentation, DataSource, SliceSelection, require_separate_settings
from InvertibleFusionLib.training.losses import LossWeights
from InvertibleFusionLib.volumes.intensity import IntensityScale


@dataclass(frozen=True)
class TrainingConfiguration:
    """A whole training run.

    Attributes:
        name: of the model.
        contrasts: the inputs, as the files in the patients' folders are called.
        training: data to learn from.
        validation: data of other patients to measure on.
        intended_use: what the model is for, for its card.
        data_folder: what the sources' paths are relative to.
        selection: of slices, in training and validation.
        grid_of: the contrast whose grid the others are resampled onto; empty for the first.
        cache: folder that keeps scaled slices from run to run; they are kept in memory only where it is not given.
        workers: processes that make samples ahead; 0 makes them in the training's own.
        augmentation: crops, and how they are varied.
        network: the FusionINN.
        intensity: the scale, stored with the model.
        loss: weights of the terms.
        steps: optimization steps.
        batch_size: crops in a step.
        learning_rate: peak; it falls to zero along a cosine.
        warmup_steps: over which the rate rises at the start.
        gradient_norm: gradients are clipped to this.
        seed: of everything random.
        threads: of the CPU.
    """

    name: str
    contrasts: list[str]
    training: list[DataSource]
    validation: list[DataSource]
    intended_use: str
    data_folder: Path = Path()
    selection: SliceSelection = field(default_factory=SliceSelection)
    grid_of: str = ""
    cache: Path | None = None
    workers: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    network: FusionINNConfiguration = field(default_factory=FusionINNConfiguration)
    intensity: IntensityScale = field(default_factory=IntensityScale)
    loss: LossWeights = field(default_factory=LossWeights)
    steps: int = 3000
    batch_size: int = 8
    learning_rate: float = 2e-3
    warmup_steps: int = 50
    gradient_norm: float = 1.0
    seed: int = 0
    threads: int = 2

    def __post_init__(self) -> None:
        if len(self.contrasts) != 2:
            raise ConfigurationError(f"FusionINN takes two contrasts, not {len(self.contrasts)}.")
        if self.grid_of and self.grid_of not in self.contrasts:
            raise ConfigurationError(f"grid_of names {self.grid_of}, which is none of {', '.join(self.contrasts)}.")
        if min(self.steps, self.batch_size) < 1:
            raise ConfigurationError("A training run needs at least one step and one crop in a step.")
        if not self.training or not self.validation:
            raise ConfigurationError("Training and validation each need at least one source.")
        if not (self.learning_rate > 0 and self.gradient_norm > 0 and self.threads >= 1 and self.workers >= 0):
            raise ConfigurationError("Learning rate, gradient norm and threads must be positive, workers at least 0.")
        for source in (*self.training, *self.validation):
            source.sets_for(self.contrasts)
        require_separate_settings(self.training, self.validation)
