"""The engine with compiled kernels: the same promises, on every number of threads, with and without Numba."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from InvertibleFusionLib import Volume, decompose, fuse
from InvertibleFusionLib.errors import ConfigurationError, InferenceError
from InvertibleFusionLib.inference import plan
from InvertibleFusionLib.inference.plan import Settings, exact_plan
from InvertibleFusionLib.inference.slice_engine import FinishedSlice, SliceJob, run_slice
from InvertibleFusionLib.inference.threads import in_order
from InvertibleFusionLib.models.model import Model

COMPILED, TORCH = Settings(device="cpu"), Settings(device="cpu", kernel="torch")
PRODUCTS = Settings(device="cpu", kernel="products")
needs_numba = pytest.mark.skipif(not plan.numba_works(), reason="compiled kernels need Numba")


@pytest.fixture
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def pair(shape: tuple[int, ...] = (7, 33, 27), dtype: str = "float32") -> list[Volume]:
    generator = np.random.default_rng(3)
    return [Volume((1000 * generator.random(shape)).astype(dtype), name=name) for name in ("ADC", "FLAIR")]


def error_of_range(back: Volume, source: Volume) -> float:
    return float(np.abs(back.array.astype(np.float64) - source.array).max() / np.ptp(source.array))


@needs_numba
@pytest.mark.usefixtures("_threads_as_before")
@pytest.mark.parametrize("kernel", ["compiled", "products"])
def test_every_number_of_threads_gives_the_same_bits_and_leaves_torch_alone(model: Model, kernel: str) -> None:
    sources = pair()
    settings = COMPILED if kernel == "compiled" else PRODUCTS
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        finished: list[FinishedSlice] = []
        fusion = fuse(model, sources, settings=settings, on_slice=finished.append)
        back = decompose(model, fusion.image, latent=fusion.latent, settings=settings)
        seen = decompose(model, fusion.image, samples=3, settings=settings)
        assert [each.index for each in finished] == [3, 0, 1, 2, 4, 5, 6]
        assert torch.get_num_threads() == threads
        assert fusion.record["settings"]["kernel"] == back.record["settings"]["kernel"] == kernel
        assert max(error_of_range(e.mean, s) for e, s in zip(back.sources, sources, strict=True)) <= 1e-5
        results.append([fusion.latent.array, *(v.array for d in (back, seen) for v in d.named_volumes().values())])
    for others in results[1:]:
        for one, other in zip(results[0], others, strict=True):
            assert np.array_equal(one, other)


@needs_numba
@pytest.mark.parametrize("other", [PRODUCTS, TORCH], ids=["products", "torch"])
def test_kernels_agree_and_take_each_others_images_apart(model: Model, other: Settings) -> None:
    sources = pair()
    compiled, others = (fuse(model, sources, settings=settings) for settings in (COMPILED, other))
    assert others.record["settings"]["kernel"] == other.kernel
    assert np.abs(compiled.image.array - others.image.array).max() <= 1e-5
    by_default = decompose(model, others.image, latent=others.latent, settings=COMPILED)
    assert by_default.record["settings"]["kernel"] == other.kernel  # the one that fused
    by_other = decompose(model, compiled.image, latent=compiled.latent, settings=other)
    assert by_other.record["settings"]["kernel"] == other.kernel
    seen = [decompose(model, compiled.image, samples=2, settings=settings) for settings in (COMPILED, other)]
    for result in (by_default, by_other):
        for estimate, source in zip(result.sources, sources, strict=True):
            assert error_of_range(estimate.mean, source) <= 1e-5
    for ours, theirs in zip(seen[0].sources, seen[1].sources, strict=True):
        assert error_of_range(ours.mean, theirs.mean) <= 1e-5


@needs_numba
@pytest.mark.usefixtures("_threads_as_before")
@pytest.mark.parametrize("kernels", [(COMPILED, TORCH), (TORCH, COMPILED), (PRODUCTS, PRODUCTS)])
def test_certified_images_come_back_bit_for_bit_with_either_kernel(model: Model, kernels: Any) -> None:
    torch.set_num_threads(2)
    sources = pair((5, 21, 18), "int16")
    fusion = fuse(model, sources, certify=True, settings=kernels[0])
    back = decompose(model, fusion.image, latent=fusion.latent, certify=True, settings=kernels[1])
    for estimate, source in zip(back.sources, sources, strict=True):
        assert np.array_equal(estimate.mean.array, source.array)


def test_without_numba_matrix_products_compute_and_the_record_says_so(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "numba_works", lambda: False)
    assert fuse(model, pair(), settings=COMPILED).record["settings"]["kernel"] == "products"


@needs_numba
def test_the_switch_and_what_the_kernels_are_for() -> None:
    assert exact_plan(COMPILED, double=False).kernel == exact_plan(COMPILED, double=True).kernel == "compiled"
    assert exact_plan(TORCH, double=False).kernel == "torch"
    assert plan.free_plan(Settings(device="cpu", precision="bfloat16"), 1).kernel == "torch"
    with pytest.raises(ConfigurationError, match="assembler"):
        Settings(kernel="assembler")  # type: ignore[arg-type]


@needs_numba
@pytest.mark.usefixtures("_threads_as_before")
def test_values_that_are_not_finite_stop_a_run_in_threads_too(model: Model) -> None:
    torch.set_num_threads(2)
    sources = pair()
    spoilt = sources[0].array.copy()
    spoilt[2, 3, 3] = 3e38
    with pytest.raises(InferenceError, match="slice 3"):
        fuse(model, [sources[0].with_array(spoilt), sources[1]], settings=COMPILED)


@pytest.mark.usefixtures("_threads_as_before")
@pytest.mark.parametrize("settings", [COMPILED, PRODUCTS, TORCH], ids=lambda settings: settings.kernel)
def test_a_single_slice_is_computed_without_others(model: Model, settings: Settings) -> None:
    torch.set_num_threads(3)
    stored: list[int] = []
    job = SliceJob(
        9,
        lambda index: np.full((2, 8, 6), index, np.float32),
        lambda network, inputs, indices: (network(inputs),),
        lambda index, outputs: stored.append(index),
    )
    run_slice(job, model.network, exact_plan(settings, double=False), 4)
    assert stored == [4]
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("_threads_as_before")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_work_in_threads_is_in_order_only_a_little_ahead_and_stops_when_closed(threads: int) -> None:
    torch.set_num_threads(3)
    begun: list[int] = []
    inside: set[int] = set()

    def work(item: int) -> int:
        begun.append(item)
        inside.add(torch.get_num_threads())
        time.sleep(0.002 * (item % 3))
        return item

    assert list(in_order(work, range(20), threads)) == list(range(20))
    assert inside == ({3} if threads == 1 else {1})
    begun.clear()
    run = in_order(work, range(20), threads)
    assert [next(run), next(run)] == [0, 1]
    run.close()  # type: ignore[attr-defined]
    assert len(begun) <= 2 + 2 * threads
    assert torch.get_num_threads() == 3
    elsewhere: list[int] = []
    other = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert elsewhere == [3]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_mistake_in_a_thread_arrives(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda item: 1 // (item - 3), range(9), threads))
