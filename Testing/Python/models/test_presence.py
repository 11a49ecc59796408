import pytest
import torch

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.presence import presence_scale, random_presence


def draw(batch: int, sources: int, dropout: float, seed: int = 0) -> torch.Tensor:
    return random_presence(torch.ones(batch, sources, dtype=torch.bool), dropout, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dropout", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("sources", [1, 2, 3])
def test_at_least_one_source_is_always_kept(dropout: float, sources: int) -> None:
    present = draw(500, sources, dropout)
    assert present.shape == (500, sources)
    assert present.dtype == torch.bool
    assert bool(present.any(dim=1).all())


def test_sources_are_left_out_as_often_as_asked() -> None:
    """Three sources, each out with 0.3 unless all are, when one of them stays: 0.3 − 0.3³/3."""
    missing = (~draw(40_000, 3, 0.3)).float().mean(dim=0)
    torch.testing.assert_close(missing, torch.full((3,), 0.3 - 0.3**3 / 3), rtol=0, atol=0.012)


def test_no_dropout_keeps_all_and_full_dropout_keeps_one_of_each_alike() -> None:
    assert bool(draw(100, 3, 0.0).all())
    kept = draw(30_000, 3, 1.0)
    assert torch.equal(kept.sum(dim=1), torch.ones(30_000, dtype=torch.int64))
    torch.testing.assert_close(kept.float().mean(dim=0), torch.full((3,), 1 / 3), rtol=0, atol=0.012)


def test_same_seed_gives_the_same_sources() -> None:
    assert torch.equal(draw(50, 3, 0.5, seed=1), draw(50, 3, 0.5, seed=1))
    assert not torch.equal(draw(50, 3, 0.5, seed=1), draw(50, 3, 0.5, seed=2))


@pytest.mark.parametrize("dropout", [0.0, 0.5, 1.0])
def test_what_is_missing_anyway_stays_missing_and_one_of_the_others_is_kept(dropout: float) -> None:
    there = torch.tensor([[True, True, False], [False, True, False], [True, True, True]]).repeat(500, 1)
    present = random_presence(there, dropout, torch.Generator().manual_seed(0))
    assert not bool((present & ~there).any())
    assert bool(present.any(dim=1).all())
    if dropout == 0:
        assert torch.equal(present, there)


@pytest.mark.parametrize("dropout", [-0.1, 1.1])
def test_what_is_no_probability_is_refused(dropout: float) -> None:
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        draw(1, 2, dropout)


def test_scale_keeps_the_sum_over_sources() -> None:
    present = torch.tensor([[True, True, True], [True, False, True], [False, True, False]])
    torch.testing.assert_close(presence_scale(present).sum(dim=1), torch.full((3,), 3.0))
    assert bool((presence_scale(present) > 0).eq(present).all())
