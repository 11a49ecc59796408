"""Fusing single slices before there is a result."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.inference.plan import Settings, exact_plan
from InvertibleFusionLib.inference.slice_engine import Outputs, SliceJob, run_slice
from InvertibleFusionLib.inference.sources import prepare_sources
from InvertibleFusionLib.models.model import FusionNetwork, Model
from InvertibleFusionLib.volumes.slices import Axis
from InvertibleFusionLib.volumes.volume import Volume


class FusionPreview:
    """Sources prepared once, of which any slice can be fused at once; each is the slice that ``fuse`` would give.

    Attributes:
        stack: how the reference is cut into slices.

    Raises:
        InvertibleFusionError: the same as ``fuse``.
    """

    def __init__(
        self,
        model: Model,
        sources: Sequence[Volume],
        *,
        reference: int = 0,
        resample: bool = False,
        axis: Axis = "axial",
        settings: Settings | None = None,
    ) -> None:
        self._model = model
        self._plan = exact_plan(settings or Settings(), double=False)
        self._prepared = prepare_sources(model, sources, reference, resample, axis)
        self.stack = self._prepared.stack

    def fused_slice(self, index: int) -> NDArray[np.float32]:
        """Slice ``index`` of the fused image, (rows, columns), in [0, 1].

        Raises:
            ConfigurationError: when there is no such slice.
            InferenceError: as ``fuse``.
        """
        kept: list[NDArray[np.float32]] = []

        def compute(network: FusionNetwork, inputs: Tensor, indices: Sequence[int]) -> Outputs:
            return (network.image(network(inputs).float()),)

        job = SliceJob(
            self.stack.count,
            self._prepared.load,
            compute,
            lambda _, outputs: kept.append(self.stack.crop(outputs[0][0])),
        )
        run_slice(job, self._model.network, self._plan, index)
        return kept[0]
