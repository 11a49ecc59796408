"""The slice engine: runs a network over slices and yields each one as it is finished.

Being a generator it gives progress, live preview and cancel without any of the three: take the slices as they come,
close it to stop.
"""

import copy
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError, InferenceError
from InvertibleFusionLib.inference.kernel_choice import with_kernel
from InvertibleFusionLib.inference.plan import Plan
from InvertibleFusionLib.inference.threads import in_order, one_torch_thread

LOG = logging.getLogger("InvertibleFusion")

Outputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class SliceJob:
    """What to do with every slice.

    Attributes:
        count: number of slices.
        load: slice index to the network's input, (channels, rows, columns).
        compute: network, inputs (batch, channels, rows, columns) and slice indices to outputs, each (batch, …).
        store: takes slice index and the outputs of that slice as arrays.
    """

    count: int
    load: Callable[[int], NDArray[Any]]
    compute: Callable[[Any, Tensor, Sequence[int]], Outputs]
    store: Callable[[int, list[NDArray[Any]]], None]


@dataclass(frozen=True)
class FinishedSlice:
    """One slice is done.

    Attributes:
        index: of the slice along the slice axis.
        done: slices finished so far.
        total: slices in all.
        image: (rows, columns), or (rows, columns, 3) in colour, what is to be shown of it; a view of the result being
            filled.
    """

    index: int
    done: int
    total: int
    image: NDArray[Any]


OnSlice = Callable[[FinishedSlice], None]
Result = TypeVar("Result")


def finish(run: Generator[FinishedSlice, None, Result], on_slice: OnSlice | None = None) -> Result:
    """Take all slices of a task's run and give its result."""
    while True:
        try:
            finished = next(run)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        if on_slice is not None:
            on_slice(finished)


def finished_slices(
    job: SliceJob, network: Any, plan: Plan, first: int | None, shown: NDArray[Any]
) -> Generator[FinishedSlice, None, Plan]:
    """``run_slices`` as the tasks give it to their callers.

    Args:
        job: what to do with every slice.
        network: the model's.
        plan: what is meant to be done.
        first: slice that is wanted before the others; None for the middle one.
        shown: the result being filled, (slices, rows, columns[, components]).

    Returns:
        The plan that was carried out: memory may have run out, and a record says what was done, not what was meant.
    """
    start = job.count // 2 if first is None else first
    for done, (index, used) in enumerate(run_slices(job, network, plan, start), 1):
        plan = used
        yield FinishedSlice(index, done, job.count, shown[index])
    return plan


def run_slices(job: SliceJob, network: Any, plan: Plan, first: int = 0) -> Iterator[tuple[int, Plan]]:
    """Compute all slices, ``first`` before the others; yield each index, once it is stored, with the plan it took.

    The network itself is never changed: a copy runs. With kernels of our own every thread computes whole slices, some
    ahead of the one that is yielded, and so loads and stores as well: ``load`` and ``store`` of different slices run
    side by side. With torch's all threads work on one slice after the other; when memory runs out the batch is halved,
    then the CPU takes over; the log says so.

    Raises:
        ConfigurationError: when there is no slice ``first``.
        InferenceError: when the network gives values that are not finite, or the memory does not suffice even so.
    """
    require_slice(first, job.count)
    yield from _run(job, network, plan, [first, *(index for index in range(job.count) if index != first)])


def run_slice(job: SliceJob, network: Any, plan: Plan, index: int) -> None:
    """Compute one slice and no other, with the same result as ``run_slices``, which would work ahead on others.

    Raises:
        ConfigurationError: when there is no such slice.
        InferenceError: as ``run_slices``.
    """
    require_slice(index, job.count)
    for _ in _run(job, network, plan, [index]):
        pass


def require_slice(index: int, count: int) -> None:
    """Refuse a slice that a volume of so many does not have.

    Raises:
        ConfigurationError: with both numbers.
    """
    if not 0 <= index < count:
        raise ConfigurationError(f"There is no slice {index + 1}; there are {count}.")


def _run(job: SliceJob, network: Any, plan: Plan, order: list[int]) -> Iterator[tuple[int, Plan]]:
    if plan.kernel != "torch":
        faster = with_kernel(network, plan.kernel, plan.dtype)
        if faster is not None:
            yield from _run_in_threads(job, faster, plan, order)
            return
        plan = replace(plan, kernel="torch")
    yield from _run_in_turn(job, network, plan, order)


def _run_in_turn(job: SliceJob, network: Any, plan: Plan, order: list[int]) -> Iterator[tuple[int, Plan]]:
    placed = _place(network, plan)
    done = 0
    while done < len(order):
        indices = order[done : done + plan.batch_size]
        try:
            with _exact_products():
                outputs = _compute(job, placed, plan, indices)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            plan = _smaller(plan, error)
            placed = _place(network, plan)
            continue
        for index in _stored(job, outputs, indices):
            done += 1
            yield index, plan


def _run_in_threads(job: SliceJob, network: Any, plan: Plan, order: list[int]) -> Iterator[tuple[int, Plan]]:
    def work(indices: list[int]) -> list[int]:
        with one_torch_thread():  # also for a single batch, which the thread that asks computes
            return list(_stored(job, _compute(job, network, plan, indices), indices))

    batches = [order[start : start + plan.batch_size] for start in range(0, len(order), plan.batch_size)]
    for indices in in_order(work, batches, torch.get_num_threads()):
        for index in indices:
            yield index, plan


def _stored(job: SliceJob, outputs: list[NDArray[Any]], indices: list[int]) -> Iterator[int]:
    """Store a batch's slices; yield the index of each one that is."""
    for position, index in enumerate(indices):
        arrays = [output[position] for output in outputs]
        _require_finite(arrays, index)
        job.store(index, arrays)
        yield index


def _compute(job: SliceJob, network: Any, plan: Plan, indices: list[int]) -> list[NDArray[Any]]:
    autocast = plan.dtype == torch.bfloat16
    dtype = torch.float32 if autocast else plan.dtype
    inputs = torch.from_numpy(np.stack([job.load(index) for index in indices])).to(plan.device, dtype)
    if plan.kernel == "torch":
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    with ExitStack() as context:
        context.enter_context(torch.inference_mode())
        if autocast:
            context.enter_context(torch.autocast(plan.device.type, torch.bfloat16))
        outputs = job.compute(network, inputs, indices)
        return [output.to("cpu", dtype).numpy() for output in outputs]


@contextmanager
def _exact_products() -> Iterator[None]:
    """Matrix products in full float32, whatever the program around has set: TF32 keeps ten bits only."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _place(network: Any, plan: Plan) -> Any:
    dtype = torch.float32 if plan.dtype == torch.bfloat16 else plan.dtype
    placed: nn.Module = copy.deepcopy(network)
    return placed.to(plan.device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _is_out_of_memory(error: RuntimeError) -> bool:
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text


def _smaller(plan: Plan, error: RuntimeError) -> Plan:
    if plan.batch_size > 1:
        half = plan.batch_size // 2
        LOG.warning("Out of memory with %d slices at a time; going on with %d.", plan.batch_size, half)
        return replace(plan, batch_size=half)
    if plan.device.type != "cpu":
        LOG.warning("Out of memory on %s; going on with the CPU, slower.", plan.device)
        return replace(plan, device=torch.device("cpu"))
    raise InferenceError("A single slice does not fit into this computer's memory. Close other programs.") from error


def _require_finite(outputs: list[NDArray[Any]], index: int) -> None:
    if not all(np.isfinite(output).all() for output in outputs):
        raise InferenceError(
            f"The network gave values that are not finite on slice {index + 1}. The source holds values far outside "
            "what the model was trained on; check it for outliers."
        )
