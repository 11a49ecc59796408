"""Fusing single slices before there is a result."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.inference.plan import Settings, exact_plan
from InvertibleFusionLib.inference.recent_slices import RecentSlices, key_of
from InvertibleFusionLib.inference.slice_engine import Outputs, SliceJob, require_slice, run_slice
from InvertibleFusionLib.inference.sources import prepare_sources
from InvertibleFusionLib.models.model import FusionNetwork, Model
from InvertibleFusionLib.volumes.slices import Axis
from InvertibleFusionLib.volumes.volume import Volume


class FusionPreview:
    """Sources prepared once, of which any slice can be fused at once; each is the slice that ``fuse`` would give.

    Slices that were asked for lately are not computed again while their sources' voxels, scales, the model and the
    settings are the same. ``recent`` keeps them beyond one preview, as when somebody compares two models.

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
        recent: RecentSlices | None = None,
    ) -> None:
        self._model = model
        self._recent = RecentSlices() if recent is None else recent
        self._plan = exact_plan(settings or Settings(), double=False)
        self._prepared = prepare_sources(model, sources, reference, resample, axis)
        self.stack = self._prepared.stack

    def fused_slice(self, index: int) -> NDArray[np.float32]:
        """Slice ``index`` of the fused image, (rows, columns), in [0, 1]; read-only.

        Raises:
            ConfigurationError: when there is no such slice.
            InferenceError: as ``fuse``.
        """
        require_slice(index, self.stack.count)
        inputs = self._prepared.load(index)
        key = key_of(inputs, {**self._plan.to_json(), "model": self._model.sha256, "shown": self.stack.shape})
        kept = self._recent.get(key)
        return self._recent.put(key, self._computed(index, inputs)) if kept is None else kept

    def _computed(self, index: int, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        results: list[NDArray[np.float32]] = []

        def compute(network: FusionNetwork, inputs: Tensor, indices: Sequence[int]) -> Outputs:
            return (network.image(network(inputs).float()),)

        job = SliceJob(
            self.stack.count,
            lambda _: inputs,
            compute,
            lambda _, outputs: results.append(self.stack.crop(outputs[0][0])),
        )
        run_slice(job, self._model.network, self._plan, index)
        return results[0]
