"""Where a run takes place: one device, or the processes that torchrun or ``fabric run`` started."""

import os
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from InvertibleFusionLib.errors import ConfigurationError

Accelerator = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["32-true", "bf16-mixed"]


def processes() -> int:
    """How many processes train together, on all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def start_fabric(accelerator: Accelerator, precision: Precision, turns: int) -> Fabric:
    """Lightning Fabric for this process.

    With torchrun or ``fabric run``, on one machine or many, the processes are those of the launcher and share their
    gradients; otherwise there is one process on one device.

    Args:
        accelerator: "auto" takes CUDA, MPS or the CPU, in this order.
        precision: of the arithmetic; "bf16-mixed" keeps the weights in float32.
        turns: of an optimization step; with several, each uses a part of the parameters only.

    Raises:
        ConfigurationError: when there is no such device.
    """
    world = processes()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=here,
            num_nodes=max(world // here, 1),
            strategy=DDPStrategy(find_unused_parameters=turns > 1) if world > 1 else "auto",
            precision=precision,
        )
    except (RuntimeError, ValueError) as error:
        raise ConfigurationError(f"Training cannot start on {accelerator}: {error}") from error
    if (
        os.environ.get("LT_CLI_USED") != "1"
    ):  # ``fabric run`` has launched the processes itself and refuses a second time
        fabric.launch()
    return fabric


def leave_processes(fabric: Fabric) -> None:
    """Leave the run that several processes shared, once none has anything to say to the others.

    A process that ends as a member may be aborted by its own communication threads, which reach for Python while it is
    being taken down (https://github.com/pytorch/pytorch/pull/179291).
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        fabric.barrier()
        torch.distributed.destroy_process_group()
