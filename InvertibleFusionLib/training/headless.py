"""Training without a window: what Slicer's --python-script, ``fabric run`` and torchrun start.

    Slicer --no-splash --no-main-window --python-script …/training/headless.py CONFIG.yaml --out NAME.safetensors
    torchrun --nproc-per-node 2 …/training/headless.py CONFIG.yaml --out NAME.safetensors

The arguments are those of ``invertible-fusion train``; the process ends with its exit code.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    # Run by its path, Python knows this folder, not the one that holds the library.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.argv[1:1] = ["train"]
    runpy.run_module("InvertibleFusionLib", run_name="__main__")
