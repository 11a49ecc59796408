"""The memory of training steps, measured in fresh processes."""

import pytest
import torch

from InvertibleFusionLib.evaluation.training_memory import StepMemory, describe_memory, memory_of_steps

MAPS = 2 * 4 * 3 * (1 + 4 * 8)
"""Of iVAN's small preset: two directions, four blocks, three dense blocks each of an input and four groups of eight."""


def test_ivan_keeps_its_dense_blocks_maps_and_with_checkpointing_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # each thread has memory of its own, too
    kept, again = (memory_of_steps(way, 64, 8, 0) for way in ("iVAN small", "iVAN small, checkpointed"))
    if kept.per_slice is None or again.per_slice is None:
        pytest.skip("this system does not tell the highest memory of a process")
    assert kept.at_rest is not None
    assert kept.one is not None
    assert 50e6 < kept.at_rest < kept.one
    assert MAPS * 64 * 64 * 4 < kept.per_slice < 3 * MAPS * 64 * 64 * 4
    assert again.per_slice < kept.per_slice / 3


def test_each_slice_is_what_the_further_ones_add() -> None:
    memory = StepMemory("FusionINN", 64, 4, 300_000_000, 320_000_000, 360_000_000)
    assert memory.per_slice == 10e6
    assert "300.0 MB   320.0 MB    10.0 MB" in describe_memory([memory])
    unknown = StepMemory("FusionINN", 64, 4, None, None, None)
    assert unknown.to_json()["per_slice"] is None
    assert describe_memory([unknown]).count("unknown") == 3
