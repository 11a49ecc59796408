"""Kernels as they are compiled for lesser processors than the one at hand: other tiles, other registers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("numba", reason="compiled kernels need Numba")

AVX2 = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt"
LARGEST_DIFFERENCE = """
import torch
from InvertibleFusionLib.kernels.convolution import REGISTER_BYTES
from InvertibleFusionLib.kernels.flow import CompiledFlow
from InvertibleFusionLib.models.fusioninn import FusionINN
flow = FusionINN(seed=1).flow
torch.manual_seed(1)
for parameter in flow.parameters():
    torch.nn.init.normal_(parameter, std=0.06)
compiled, worst = CompiledFlow(flow), 0.0
with torch.inference_mode():
    for size in ((2, 2), (2, 34), (66, 2), (6, 30), (10, 96), (14, 226)):
        images = torch.rand(1, 2, *size)
        latent = flow(images)
        worst = max(worst, float((compiled(images) - latent).abs().max()))
        worst = max(worst, float((compiled.inverse(latent) - images).abs().max()))
print(REGISTER_BYTES, worst)
"""


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="this processor has no AVX2"
)
def test_kernels_for_avx2_compute_what_torch_does(tmp_path: Path) -> None:
    limited = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": AVX2, "NUMBA_OPT": "1"}  # compiles sooner
    folders = dict.fromkeys(("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"), str(tmp_path))
    environment = {**os.environ, **limited, **folders}
    command = [sys.executable, "-c", LARGEST_DIFFERENCE]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    width, worst = run.stdout.split()
    assert width == "32"
    assert 0 < float(worst) < 1e-5
