"""What a training run is told: typed, checked before anything starts, written as YAML."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.baselines.fusion_baseline import FusionBaselineConfiguration
from InvertibleFusionLib.models.baselines.synthesis_baseline import SynthesisBaselineConfiguration
from InvertibleFusionLib.models.disentangled_gan import DisentangledGANConfiguration
from InvertibleFusionLib.models.fusioninn import FusionINNConfiguration
from InvertibleFusionLib.models.ivan import IvanConfiguration
from InvertibleFusionLib.models.model_file import Stored
from InvertibleFusionLib.training.data import Augmentation, DataSource, SliceSelection, require_separate_settings
from InvertibleFusionLib.training.fusion_baseline_objective import FusionBaselineLoss
from InvertibleFusionLib.training.gan_objective import GANLoss
from InvertibleFusionLib.training.ivan_objective import IvanLoss
from InvertibleFusionLib.training.losses import LossWeights
from InvertibleFusionLib.training.schedule import Schedule
from InvertibleFusionLib.training.synthesis_baseline_objective import SynthesisBaselineLoss
from InvertibleFusionLib.volumes.intensity import IntensityScale

MACHINE = ("data_folder", "cache", "workers", "threads", "accelerator", "gradient_checkpointing")
"""Settings of the machine rather than of the result."""
CHANGEABLE = (*MACHINE, "learning_rate", "gradient_norm", "early_stop", "checkpoint_every", "validate_every", "stored")
"""What a run that goes on may be told anew."""
KINDS: dict[type[Any], tuple[type[Any], str]] = {
    FusionINNConfiguration: (LossWeights, "FusionINN"),
    IvanConfiguration: (IvanLoss, "iVAN"),
    DisentangledGANConfiguration: (GANLoss, "The disentanglement GAN"),
    FusionBaselineConfiguration: (FusionBaselineLoss, "A fusion network of others"),
    SynthesisBaselineConfiguration: (SynthesisBaselineLoss, "A synthesis network of others"),
}
"""For each network's settings those of its losses, and its name."""
NetworkConfiguration = (
    FusionINNConfiguration
    | IvanConfiguration
    | DisentangledGANConfiguration
    | FusionBaselineConfiguration
    | SynthesisBaselineConfiguration
)


@dataclass(frozen=True)
class TrainingConfiguration:
    """A whole training run.

    Attributes:
        name: of the model.
        contrasts: the inputs, as the files in the patients' folders are called; of a colour image its three channels.
        training: data to learn from.
        validation: data of other patients to measure on.
        intended_use: what the model is for, for its card.
        targets: what a synthesis model makes, likewise; none for fusion.
        data_folder: what the sources' paths are relative to.
        selection: of slices, in training and validation.
        grid_of: the contrast whose grid the others are resampled onto; empty for the first.
        cache: folder that keeps scaled slices from run to run; they are kept in memory only where it is not given.
        workers: processes that make samples ahead; 0 makes them in the training's own.
        augmentation: crops, and how they are varied.
        network: FusionINN's settings, or those of iVAN (known by inputs, outputs, growth), of the disentanglement GAN
            (known by sources, base_channels), or of a network of others (known by fuse_by or synthesize_by).
        intensity: the scale, stored with the model.
        loss: weights of the terms, of the network's kind; its defaults where it is not given.
        start_from: a model file whose weights the run starts from, to learn other data or finish with other settings;
            random weights where it is not given.
        steps: optimization steps.
        batch_size: crops in a step; with several processes, in each of them.
        learning_rate: at its peak; the schedule says how it goes.
        schedule: how the learning rate goes.
        betas: of Adam.
        gradient_norm: gradients are clipped to this.
        precision: of the arithmetic; "bf16-mixed" keeps the weights in float32.
        accelerator: "auto" takes CUDA, MPS or the CPU, in this order.
        gradient_checkpointing: whether iVAN's dense blocks compute their maps again for the gradient rather than keep
            them: less memory, more time, the same gradients.
        validate_every: steps between validations.
        validation_slices: on how many slices, spread over the validation patients; at the end all are measured.
        early_stop: validations in a row without an improvement that end the run; 0 for never.
        keep: the weights that the model file gets: "last" or "best", those of the best validation.
        stored: number format of the weights in the model file, "float32" or "float16", half as large. They are
            measured as they are stored.
        checkpoint_every: steps between two training states; a killed run goes on from the last.
        seed: of everything random.
        threads: of the CPU, for each process.
    """

    name: str
    contrasts: list[str]
    training: list[DataSource]
    validation: list[DataSource]
    intended_use: str
    targets: list[str] = field(default_factory=list)
    data_folder: Path = Path()
    selection: SliceSelection = field(default_factory=SliceSelection)
    grid_of: str = ""
    cache: Path | None = None
    workers: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    network: NetworkConfiguration = field(default_factory=FusionINNConfiguration)
    intensity: IntensityScale = field(default_factory=IntensityScale)
    loss: LossWeights | IvanLoss | GANLoss | FusionBaselineLoss | SynthesisBaselineLoss | None = None
    start_from: Path | None = None
    steps: int = 10000
    batch_size: int = 8
    learning_rate: float = 2e-3
    schedule: Schedule = field(default_factory=Schedule)
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    gradient_norm: float = 1.0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    gradient_checkpointing: bool = False
    validate_every: int = 1000
    validation_slices: int = 12
    early_stop: int = 0
    keep: Literal["last", "best"] = "last"
    stored: Stored = "float32"
    checkpoint_every: int = 500
    seed: int = 0
    threads: int = 2

    def __post_init__(self) -> None:
        self._require_fitting_channels()
        if self.grid_of and self.grid_of not in self.channels:
            raise ConfigurationError(
                f"The contrasts and targets are {', '.join(self.channels)}, and grid_of is {self.grid_of}, which is "
                "none of them. Correct whichever is misspelt."
            )
        if min(self.steps, self.batch_size) < 1:
            raise ConfigurationError("A training run needs at least one step and one crop in a step.")
        if not self.training or not self.validation:
            raise ConfigurationError("Training and validation each need at least one source.")
        if not (self.learning_rate > 0 and self.gradient_norm > 0 and self.threads >= 1 and self.workers >= 0):
            raise ConfigurationError("Learning rate, gradient norm and threads must be positive, workers at least 0.")
        if self.gradient_checkpointing and not isinstance(self.network, IvanConfiguration):
            name = KINDS[type(self.network)][1]
            raise ConfigurationError(f"gradient_checkpointing is for iVAN alone. {name} learns without; leave it out.")
        if self.seed < 0:
            raise ConfigurationError(f"The seed is a whole number from 0 on, not {self.seed}.")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigurationError(f"Adam has two betas in [0, 1), not {self.betas}.")
        if min(self.validate_every, self.validation_slices, self.checkpoint_every) < 1 or self.early_stop < 0:
            raise ConfigurationError(
                "validate_every, validation_slices and checkpoint_every are at least 1, early_stop at least 0."
            )
        for source in (*self.training, *self.validation):
            source.sets_for(self.channels)
        self._require_whole_sets()
        require_separate_settings(self.training, self.validation)

    @property
    def channels(self) -> list[str]:
        """Everything that is read of a patient: contrasts and then targets."""
        return [*self.contrasts, *self.targets]

    def _require_fitting_channels(self) -> None:
        takes, makes = _channels_of(self.network)
        if (len(self.contrasts), len(self.targets)) != (takes, makes):
            raise ConfigurationError(
                f"{KINDS[type(self.network)][1]} with these settings takes {takes} contrasts and {makes} targets, not "
                f"{len(self.contrasts)} ({', '.join(self.contrasts) or 'none'}) and {len(self.targets)} "
                f"({', '.join(self.targets) or 'none'})."
            )
        kind, name = KINDS[type(self.network)]
        if self.loss is None:
            object.__setattr__(self, "loss", kind())
        elif not isinstance(self.loss, kind):
            raise ConfigurationError(
                f"The settings under loss are a {type(self.loss).__name__}, but {name} is taught by a "
                f"{kind.__name__}. See invertible-fusion train CONFIG.yaml --help."
            )

    def to_json(self) -> dict[str, Any]:
        """All settings as JSON-ready data."""
        written: dict[str, Any] = plain(asdict(self))
        return written

    def _require_whole_sets(self) -> None:
        """What a source may lack: an input of a network that does without it, in training."""
        needed = self.channels.index(self.grid_of) if self.grid_of else 0
        spare = set(range(len(self.contrasts))) - {needed}
        learns = isinstance(self.network, DisentangledGANConfiguration)
        for sources, may_lack in ((self.training, spare if learns else set()), (self.validation, set())):
            for source in sources:
                if set(range(len(self.contrasts))) <= source.lacking:
                    raise ConfigurationError(
                        f"The data source {source.name!r} lacks every input. Name those that it has, or take it out."
                    )
                if refused := source.lacking - may_lack:
                    raise ConfigurationError(
                        f"The data source {source.name!r} lacks {self.channels[min(refused)]}. Only a disentanglement "
                        "GAN does without some of its inputs, only in training, and not without the one whose grid "
                        "counts (grid_of). Take the source out, or other contrasts."
                    )


def _channels_of(network: NetworkConfiguration) -> tuple[int, int]:
    """How many channels a network takes and makes; what a fusion model makes is no image of a patient."""
    if isinstance(network, IvanConfiguration | SynthesisBaselineConfiguration):
        return sum(network.inputs), sum(network.outputs)
    if isinstance(network, DisentangledGANConfiguration):
        return network.sources, 1
    return 2, 0


def plain(value: Any) -> Any:
    """Settings as JSON knows them: paths as text."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.as_posix() if isinstance(value, Path) else value


def require_same_run(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Refuse to go on with other settings than a run began with, except the ``CHANGEABLE`` ones.

    Args:
        now: of ``TrainingConfiguration.to_json``, and "processes", how many there are. One with twice the batch is the
            same run as two.
        before: the same, of the run to go on with. A setting that an earlier version of the library did not have is
            not compared.

    Raises:
        ConfigurationError: naming the settings that differ, with both values.
    """
    here, there = _of_the_result(now), _of_the_result(before)
    changed = [name for name in there if here.get(name) != there[name]]
    if changed:
        told = "; ".join(f"{name} was {there.get(name)}, is now {here.get(name)}" for name in changed)
        raise ConfigurationError(f"The run to go on with was told something else: {told}. Start a new one, or go back.")


def _of_the_result(settings: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in settings.items() if name not in (*CHANGEABLE, "processes", "batch_size")}
    return _each(kept | {"batch_size of all processes": settings["batch_size"] * settings.get("processes", 1)})


def _each(settings: dict[str, Any], under: str = "") -> dict[str, Any]:
    """Nested settings by names such as ``loss.fusion``."""
    single: dict[str, Any] = {}
    for name, value in settings.items():
        single |= _each(value, f"{under}{name}.") if isinstance(value, dict) else {f"{under}{name}": value}
    return single
