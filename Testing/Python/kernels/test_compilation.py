"""Where compiled kernels are kept, and who is told that they must be compiled."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from InvertibleFusionLib.kernels import compilation

pytest.importorskip("numba", reason="compiled kernels need Numba")

ONE_SLICE = """
import logging; logging.basicConfig(format="%(message)s")
import torch
from InvertibleFusionLib.kernels.flow import CompiledFlow, coupling_step
from InvertibleFusionLib.models.fusioninn import FusionINN
with torch.inference_mode():
    CompiledFlow(FusionINN().flow)(torch.zeros(1, 2, 4, 4))
import numba
stats = coupling_step.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), numba.config.CACHE_DIR)
"""

DENSE_BLOCK = """
import sys
import torch
from torch.nn.functional import leaky_relu
from InvertibleFusionLib.models.dense_block import DenseBlock
torch.manual_seed(0)
sources = torch.rand(1, 1, 8, 8, requires_grad=True)
block, learning = DenseBlock(1, 1, 8), sys.argv[1] == "gradients"
block.compiled = True
def plain(maps):
    for convolution in block.grow:
        maps = torch.cat((maps, leaky_relu(convolution(maps), 0.2)), 1)
    return block.last(maps)
def with_gradients(way):
    result = way(sources)
    return result, *(torch.autograd.grad(result.sum(), [sources, *block.parameters()]) if learning else ())
with torch.set_grad_enabled(learning):
    expected, found = with_gradients(plain), with_gradients(block)
print(all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(found, expected, strict=True)))
"""


def run(program: str, folder: Path, *arguments: str) -> tuple[list[str], str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder), "NUMBA_OPT": "1"}  # compiles sooner
    command = [sys.executable, "-c", program, *arguments]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return finished.stdout.split(), finished.stderr


def first_slice(folder: Path) -> tuple[list[str], str]:
    return run(ONE_SLICE, folder)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the cache folder is set by XDG_CACHE_HOME")
def test_kernels_are_compiled_once_in_the_users_cache_and_the_log_says_so(tmp_path: Path) -> None:
    found, log = first_slice(tmp_path)
    assert found == ["0", "1"]  # and Numba's own setting, empty, is untouched
    assert "Compiling the float32 kernels" in log
    (kept,) = (tmp_path / "invertible-fusion").iterdir()
    assert list(kept.rglob("coupling*.nbc"))
    assert kept.stat().st_mode & 0o077 == 0
    found, log = first_slice(tmp_path)
    assert found == ["1", "0"]
    assert "Compiling" not in log


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the cache folder is set by XDG_CACHE_HOME")
def test_kernels_that_several_processes_compiled_are_told_apart_by_the_next(tmp_path: Path) -> None:
    """Who synthesizes once and then trains twice: the last one loaded the convolutions of both under one name."""
    for what in ("forwards", "gradients", "gradients"):
        assert run(DENSE_BLOCK, tmp_path, what)[0] == ["True"]


@pytest.fixture
def _own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "cache_folder", compilation.cache_folder.__wrapped__)


@pytest.mark.usefixtures("_own_cache")
def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(compilation, "_user_cache", lambda: tmp_path / "file")  # a folder cannot be made in a file
    folder = compilation.cache_folder()
    assert folder.is_dir()
    assert tmp_path not in folder.parents


@pytest.mark.usefixtures("_own_cache")
def test_another_processor_or_another_version_has_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "_user_cache", lambda: tmp_path)
    here = compilation.cache_folder()
    assert compilation.cache_folder() == here
    monkeypatch.setattr(compilation, "processor", lambda: ("linux", "i486", ""))
    assert compilation.cache_folder() != here


def test_a_failed_compilation_is_not_remembered_as_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compilation, "cache_folder", lambda: tmp_path)
    with pytest.raises(KeyboardInterrupt), compilation.telling_of_compilation("float32"):
        raise KeyboardInterrupt
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with compilation.telling_of_compilation("float32"):
                pass
    assert len(caplog.records) == 1


def test_numba_that_does_not_start_is_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: str) -> None:
        raise ImportError("Numba needs NumPy 2.3 or less")

    monkeypatch.setattr(compilation.importlib, "import_module", refuse)
    with caplog.at_level(logging.WARNING):
        assert not compilation.numba_works.__wrapped__()
    assert "NumPy 2.3 or less" in caplog.text
    monkeypatch.setattr(compilation.importlib.util, "find_spec", lambda _: None)
    assert not compilation.numba_works.__wrapped__()
