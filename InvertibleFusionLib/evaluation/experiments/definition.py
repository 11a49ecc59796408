"""What an experiment is: which methods learn which task from which data, and what its paper published."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from InvertibleFusionLib.training.configuration import NetworkConfiguration
from InvertibleFusionLib.training.data import Augmentation

Measured = Literal["fusion", "synthesis", "way back"]
UNCHANGED = Augmentation(crop=64, gamma=1.0, gain=1.0, noise=0.0)
"""Turns and flips only: another grey scale would change what the sources tell of the target."""


@dataclass(frozen=True)
class Column:
    """One figure of a published table.

    Attributes:
        symbol: as the table calls it.
        measures: names of the measures of ``evaluate`` that it is the mean of.
        higher_is_better: how it is read.
        digits: after the point.
        remark: where the published figure was made another way.
        comparable: whether methods can be compared by the published figures.
        noise_raises: whether noise raises it, too, so that nothing is called better for it.
        exceeds: symbol of another column that the same method must exceed here before it has learnt anything; "" where
            there is none.
    """

    symbol: str
    measures: tuple[str, ...]
    higher_is_better: bool = True
    digits: int = 3
    remark: str = ""
    comparable: bool = True
    noise_raises: bool = False
    exceeds: str = ""


@dataclass(frozen=True)
class Learner:
    """A network that is trained.

    Attributes:
        name: in the table; the paper's where it has one.
        network: its settings.
        loss: of the network's kind; its default where None.
        learning_rate: at its peak.
        betas: of Adam.
        note: what is not as published, in words.
    """

    name: str
    network: NetworkConfiguration
    loss: Any = None
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    note: str = ""


@dataclass(frozen=True)
class Part:
    """One task of an experiment: one table.

    Attributes:
        title: what it shows.
        sources: contrasts that methods get; of a colour PNG its channels, as PET-R.
        columns: of the table.
        learners: networks to train, the paper's own first.
        training: data sets to learn from, by their names in ``data.yaml``.
        validation: data sets to measure on.
        data_remark: which data the paper had, and what is taken in its place.
        targets: contrasts to synthesize; none for fusion.
        measured: the fused images, the synthetic images, or the sources again by both ways back.
        published: figures by method and column's symbol; methods that are not trained here are printed all the same, as
            published only.
        grid_of: contrast whose grid counts; the first where empty.
        augmentation: of the crops.
        oracle: whether the simulated target's mean over its noise is measured, too.
        prepare: makes data of the data folder and a new folder; gives the folder to read from.
        sets: files of the sources and targets where one is given twice.
        selected_by: contrasts by which slices to measure on are selected, so that parts with other sources have the
            same; the part's own where empty.
        judged_by: symbol of the column by which it is judged whether a fusion network has learnt at all, since a rule
            may well be the best in others; none is judged where empty. Of a synthesis every column tells.
        said_best: whether the paper says that the first network is the best of all, or nearly, without figures.
    """

    title: str
    sources: tuple[str, ...]
    columns: tuple[Column, ...]
    learners: tuple[Learner, ...]
    training: tuple[str, ...]
    validation: tuple[str, ...]
    data_remark: str
    targets: tuple[str, ...] = ()
    measured: Measured = "synthesis"
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    grid_of: str = ""
    augmentation: Augmentation = UNCHANGED
    oracle: bool = False
    prepare: Callable[[Path, Path], Path] | None = None
    sets: tuple[str, ...] = ()
    selected_by: tuple[str, ...] = ()
    judged_by: str = ""
    said_best: bool = False

    @property
    def channels(self) -> list[str]:
        """Sources and targets."""
        return [*self.sources, *self.targets]


@dataclass(frozen=True)
class Experiment:
    """A table or figure of a paper.

    Attributes:
        name: by which it is asked for.
        title: what it is in its paper.
        parts: its tasks.
        quick: optimization steps of each network under ``--budget quick``; the whole takes minutes on a CPU.
        standard: likewise under ``--budget standard``.
        remark: what else to know.
        across: methods of different parts that the paper compares, its own first; they have names of their own.
    """

    name: str
    title: str
    parts: tuple[Part, ...]
    quick: int
    standard: int
    remark: str = ""
    across: tuple[str, ...] = ()
