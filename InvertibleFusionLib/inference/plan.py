"""Where and how a network runs: device, arithmetic, slices at a time."""

from dataclasses import dataclass
from typing import Any, Literal

import torch

from InvertibleFusionLib.errors import ConfigurationError, InferenceError
from InvertibleFusionLib.kernels.compilation import numba_works

Kernel = Literal["compiled", "products", "torch"]
"""What computes the couplings' networks: kernels compiled for this processor, matrix products or convolutions."""
Precision = Literal["auto", "float32", "float64", "bfloat16"]
DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
HIDDEN_CHANNELS_IN_FLIGHT = 256
"""Upper estimate of float32 maps alive per slice, for sizing batches on an accelerator."""
SHARE_OF_FREE_MEMORY = 0.5
MOST_SLICES_AT_ONCE = 32


@dataclass(frozen=True)
class Settings:
    """What a user asks for.

    Attributes:
        device: "auto" (CUDA, MPS, CPU, in this order), or a device's name such as "cuda:1".
        precision: "auto" is bfloat16 on CUDA where nothing needs to be exact, else float32.
        batch_size: slices at a time; None chooses.
        kernel: for the couplings on the CPU in float32 and float64. "auto" takes kernels compiled for this processor
            where Numba is installed, else "products", plain torch's matrix products (FusionINN's alone); "torch" runs
            torch's convolutions. All keep every promise; they differ by rounding.
    """

    device: str = "auto"
    precision: Precision = "auto"
    batch_size: int | None = None
    kernel: Literal["auto", "products", "torch"] = "auto"

    def __post_init__(self) -> None:
        if self.kernel not in ("auto", "products", "torch"):
            raise ConfigurationError(f"There is no kernel {self.kernel!r}; use auto, products or torch.")
        if self.precision not in ("auto", *DTYPES):
            raise ConfigurationError(f"There is no precision {self.precision!r}; use auto, {', '.join(DTYPES)}.")
        if self.batch_size is not None and self.batch_size < 1:
            raise ConfigurationError(f"At least one slice must run at a time, not {self.batch_size}.")


@dataclass(frozen=True)
class Plan:
    """What will be done.

    Attributes:
        device: to run on.
        dtype: of tensors; bfloat16 means autocast over float32 weights.
        batch_size: slices at a time.
        kernel: what computes the couplings.
    """

    device: torch.device
    dtype: torch.dtype
    batch_size: int
    kernel: Kernel = "torch"

    def to_json(self) -> dict[str, Any]:
        """For the record: what two runs must share to give identical voxels."""
        return {
            "device": self.device.type,
            "precision": str(self.dtype).removeprefix("torch."),
            "batch_size": self.batch_size,
            "kernel": self.kernel,
            "threads": torch.get_num_threads(),
        }


def exact_plan(settings: Settings, double: bool) -> Plan:
    """A plan whose way back is exact: one slice at a time, float32 or, for certified results, float64.

    Raises:
        ConfigurationError: when another precision or batch was asked for.
    """
    wanted = "float64" if double else "float32"
    if settings.precision not in ("auto", wanted):
        raise ConfigurationError(
            f"The way back is exact in {wanted} both ways, not in {settings.precision}. Leave the precision on auto."
        )
    if settings.batch_size not in (None, 1):
        raise ConfigurationError("The exact way runs one slice at a time, so that both directions compute the same.")
    device = find_device(settings.device)
    if double and device.type == "mps":  # MPS has no float64
        device = torch.device("cpu")
    return Plan(device, DTYPES[wanted], 1, _kernel(settings, device, DTYPES[wanted]))


def free_plan(settings: Settings, pixels: int) -> Plan:
    """A plan for results that need not be exact.

    Args:
        settings: what the user asks for.
        pixels: of a slice as the network gets it.
    """
    device = find_device(settings.device)
    precision = settings.precision
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "float32"
    at_once = settings.batch_size or _slices_at_once(device, pixels)
    return Plan(device, DTYPES[precision], at_once, _kernel(settings, device, DTYPES[precision]))


def find_device(name: str) -> torch.device:
    """The torch device for "auto" or a device's name.

    Raises:
        ConfigurationError: for a name that torch does not know.
        InferenceError: for a device that this computer does not have.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(f"There is no device {name!r}; use auto, cpu, cuda, cuda:1 or mps.") from error
    available = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= available.get(device.type, 0):
        raise InferenceError(f"This computer has no device {name}. Use auto or cpu.")
    return device


def _kernel(settings: Settings, device: torch.device, dtype: torch.dtype) -> Kernel:
    if device.type != "cpu" or dtype not in (torch.float32, torch.float64):
        return "torch"
    if settings.kernel == "auto":
        return "compiled" if numba_works() else "products"
    return settings.kernel


def _slices_at_once(device: torch.device, pixels: int) -> int:
    if device.type != "cuda":
        return 1  # on a CPU one slice stays in the caches and larger batches are slower
    free = torch.cuda.mem_get_info(device)[0]
    bytes_per_slice = 4 * HIDDEN_CHANNELS_IN_FLIGHT * pixels
    return max(1, min(MOST_SLICES_AT_ONCE, int(SHARE_OF_FREE_MEMORY * free / bytes_per_slice)))
