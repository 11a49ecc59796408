"""The ways of fusing and decomposing that are timed against each other, on the same sources and weights."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from InvertibleFusionLib.evaluation.freia_graph import freia_graph
from InvertibleFusionLib.inference.decomposition import decompose
from InvertibleFusionLib.inference.fusion import Fusion, fuse
from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.inference.sources import prepare_sources
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.volumes.volume import Volume


class Contender(ABC):
    """One way. ``decompose`` takes apart what ``fuse`` gave last."""

    @abstractmethod
    def fuse(self) -> NDArray[np.float32]:
        """The fused images, (slices, rows, columns)."""

    @abstractmethod
    def decompose(self) -> list[NDArray[Any]]:
        """The sources, each (slices, rows, columns)."""


class Ours(Contender):
    """This library, array to array: checking, scaling, network, scaling back, records."""

    def __init__(self, model: Model, sources: list[Volume], settings: Settings) -> None:
        self.model, self.sources, self.settings = model, sources, settings
        self.fusion: Fusion | None = None

    def fuse(self) -> NDArray[np.float32]:
        """See the base class."""
        self.fusion = fuse(self.model, self.sources, settings=self.settings)
        return self.fusion.image.array

    def decompose(self) -> list[NDArray[Any]]:
        """See the base class."""
        fusion = self.fusion or fuse(self.model, self.sources, settings=self.settings)
        back = decompose(self.model, fusion.image, latent=fusion.latent, settings=self.settings)
        return [estimate.mean.array for estimate in back.sources]


class Published(Contender):
    """The network alone, as ``inn_test.py``: a FrEIA graph that computes Jacobians which nobody reads.

    Args:
        model: a FusionINN with three blocks.
        sources: as ``Ours`` gets them; they are scaled beforehand, outside the timing.
        batch: slices at a time, 1 as published.
    """

    def __init__(self, model: Model, sources: list[Volume], batch: int) -> None:
        prepared = prepare_sources(model, sources, 0, False, "axial")
        self.slices = np.stack([prepared.load(index) for index in range(prepared.stack.count)])
        self.batch = batch
        self.graph = freia_graph(model.network, *self.slices.shape[2:])  # type: ignore[arg-type]
        self.latent = np.empty_like(self.slices)

    def fuse(self) -> NDArray[np.float32]:
        """See the base class."""
        fused = np.empty((len(self.slices), *self.slices.shape[2:]), np.float32)
        with torch.no_grad():
            for start in range(0, len(self.slices), self.batch):
                at = slice(start, start + self.batch)
                (y, z), _ = self.graph(torch.from_numpy(self.slices[at]))
                fused[at] = torch.sigmoid(y)[:, 0].numpy()
                self.latent[at] = torch.cat((y, z), dim=1).numpy()
        return fused

    def decompose(self) -> list[NDArray[Any]]:
        """See the base class; in the network's numbers."""
        back = np.empty_like(self.slices)
        with torch.no_grad():
            for start in range(0, len(self.slices), self.batch):
                at = slice(start, start + self.batch)
                latent = torch.from_numpy(self.latent[at])
                back[at] = self.graph([latent[:, :1], latent[:, 1:]], rev=True)[0].numpy()
        return [back[:, 0], back[:, 1]]
