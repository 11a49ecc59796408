"""The engine by itself, with stand-ins for networks that run out of memory or give NaN."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError, InferenceError
from InvertibleFusionLib.inference.plan import Plan, Settings, exact_plan, find_device, free_plan
from InvertibleFusionLib.inference.slice_engine import SliceJob, run_slices

CPU = torch.device("cpu")


class Doubler(nn.Module):
    """Doubles its input, by a weight that has to be on the input's device."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x


def job(count: int, results: dict[int, Any], compute: Any = None) -> SliceJob:
    def plain(network: Any, inputs: Tensor, indices: Sequence[int]) -> tuple[Tensor, ...]:
        return (network(inputs),)

    return SliceJob(
        count,
        lambda index: np.full((2, 3, 4), index, np.float32),
        compute or plain,
        lambda index, outputs: results.__setitem__(index, outputs[0]),
    )


@pytest.mark.parametrize("batch", [1, 2, 3, 10])
@pytest.mark.parametrize("first", [0, 4, 6])
def test_every_slice_is_done_once_and_the_wanted_one_first(batch: int, first: int) -> None:
    results: dict[int, Any] = {}
    order = [index for index, _ in run_slices(job(7, results), Doubler(), Plan(CPU, torch.float32, batch), first)]
    assert order[0] == first
    assert sorted(order) == list(range(7))
    for index in range(7):
        assert np.array_equal(results[index], np.full((2, 3, 4), 2.0 * index))


def test_a_slice_is_stored_before_it_is_yielded() -> None:
    results: dict[int, Any] = {}
    for index, _ in run_slices(job(3, results), Doubler(), Plan(CPU, torch.float32, 1)):
        assert index in results


@pytest.mark.parametrize("first", [-1, 3])
def test_a_slice_that_is_not_there_cannot_come_first(first: int) -> None:
    with pytest.raises(ConfigurationError, match=r"there are 3"):
        next(run_slices(job(3, {}), Doubler(), Plan(CPU, torch.float32, 1), first))


def test_closing_stops_the_work() -> None:
    results: dict[int, Any] = {}
    run = run_slices(job(100, results), Doubler(), Plan(CPU, torch.float32, 1))
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert list(results) == [0]


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
    ids=["CUDA", "CPU"],
)
def test_batch_is_halved_when_memory_runs_out_and_no_slice_is_lost(
    error: RuntimeError, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[int] = []

    def compute(network: Any, inputs: Tensor, indices: Sequence[int]) -> tuple[Tensor, ...]:
        tried.append(len(indices))
        if len(indices) > 2:
            raise error
        return (network(inputs),)

    results: dict[int, Any] = {}
    with caplog.at_level(logging.WARNING):
        done = list(run_slices(job(9, results, compute), Doubler(), Plan(CPU, torch.float32, 8)))
    order = [index for index, _ in done]
    assert {plan.batch_size for _, plan in done} == {2}
    assert tried == [8, 4, 2, 2, 2, 2, 1]
    assert sorted(order) == sorted(results) == list(range(9))
    assert "going on with 4" in caplog.text
    assert "going on with 2" in caplog.text


def test_cpu_is_the_last_resort_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def compute(network: Any, inputs: Tensor, indices: Sequence[int]) -> tuple[Tensor, ...]:
        if inputs.device.type != "cpu":
            raise torch.OutOfMemoryError("out of memory")
        return (network(inputs),)

    results: dict[int, Any] = {}
    with caplog.at_level(logging.WARNING):
        done = list(run_slices(job(3, results, compute), Doubler(), Plan(torch.device("meta"), torch.float32, 2)))
    assert {plan.to_json()["device"] for _, plan in done} == {"cpu"}  # so that the record says what was done
    assert sorted(results) == [0, 1, 2]
    assert "CPU" in caplog.text


def test_exact_arithmetic_is_asked_of_cuda_whatever_the_program_around_has_set() -> None:
    seen: list[tuple[bool, bool, bool, str]] = []

    def compute(network: Any, inputs: Tensor, indices: Sequence[int]) -> tuple[Tensor, ...]:
        cudnn = torch.backends.cudnn
        seen.append((cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic, torch.get_float32_matmul_precision()))
        return (network(inputs),)

    torch.set_float32_matmul_precision("medium")
    try:
        list(run_slices(job(1, {}, compute), Doubler(), Plan(CPU, torch.float32, 1)))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert seen == [(True, False, True, "highest")]


def test_no_memory_at_all_is_a_sentence() -> None:
    def compute(network: Any, inputs: Tensor, indices: Sequence[int]) -> tuple[Tensor, ...]:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(InferenceError, match="memory"):
        list(run_slices(job(3, {}, compute), Doubler(), Plan(CPU, torch.float32, 1)))


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def compute(network: Any, inputs: Tensor, indices: Sequence[int]) -> tuple[Tensor, ...]:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(run_slices(job(3, {}, compute), Doubler(), Plan(CPU, torch.float32, 2)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_that_gives_nan_stops_with_the_slice(value: float) -> None:
    def compute(network: Any, inputs: Tensor, indices: Sequence[int]) -> tuple[Tensor, ...]:
        return (torch.where(inputs == 1, value, inputs),)

    results: dict[int, Any] = {}
    with pytest.raises(InferenceError, match="slice 2"):
        list(run_slices(job(4, results, compute), Doubler(), Plan(CPU, torch.float32, 1)))
    assert list(results) == [0]


def test_settings_and_devices_are_checked() -> None:
    assert find_device("cpu") == CPU
    with pytest.raises(ConfigurationError, match="abacus"):
        find_device("abacus")
    with pytest.raises(InferenceError, match="cuda:99"):
        find_device("cuda:99")
    with pytest.raises(ConfigurationError, match="float8"):
        Settings(precision="float8")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="0"):
        Settings(batch_size=0)
    assert exact_plan(Settings(device="cpu"), double=True).dtype == torch.float64
    assert free_plan(Settings(device="cpu"), 1).batch_size == 1
    assert free_plan(Settings(device="cpu", batch_size=5, precision="bfloat16"), 1) == Plan(CPU, torch.bfloat16, 5)
