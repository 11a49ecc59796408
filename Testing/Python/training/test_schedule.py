"""Learning rates against their closed forms, torch's own scheduler among them."""

import pytest
import torch

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.schedule import Progression, Schedule


@pytest.mark.parametrize("course", ["cosine", "constant", "linear", "halving", "plateau"])
def test_every_course_starts_with_the_same_rise(course: str) -> None:
    schedule = Schedule(course, warmup_steps=4, every=100)  # type: ignore[arg-type]
    assert [schedule.share(done, 40) for done in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_cosine_is_that_of_torch() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
    schedule = Schedule("cosine", warmup_steps=10)
    for done in range(10, 41):
        assert schedule.share(done, 40) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9), done
        optimizer.step()
        theirs.step()


def test_constant_stays() -> None:
    assert {Schedule("constant", warmup_steps=0).share(done, 40) for done in range(41)} == {1.0}


def test_linear_holds_and_falls_to_zero() -> None:
    """The disentanglement GAN: 100 epochs constant, 100 epochs straight to zero."""
    schedule = Schedule("linear", warmup_steps=0, hold=0.5)
    shares = [schedule.share(epoch, 200) for epoch in (0, 50, 100, 125, 150, 199, 200)]
    assert shares == pytest.approx([1, 1, 1, 0.75, 0.5, 0.01, 0])


def test_halving_halves_every_so_many_steps() -> None:
    """iVAN: every 50 epochs."""
    schedule = Schedule("halving", warmup_steps=0, every=50)
    assert [schedule.share(done, 300) for done in (0, 49, 50, 99, 100, 299)] == [1, 1, 0.5, 0.5, 0.25, 1 / 32]


def test_a_plateau_cuts_the_rate_when_torch_does() -> None:
    scores = [0.5, 0.6, 0.6, 0.55, 0.59, 0.61, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.7, 0.1]
    schedule = Schedule("plateau", warmup_steps=0, factor=0.5, patience=2)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=2, threshold=0.0, threshold_mode="abs"
    )
    progression, shares = Progression(), []
    for step, score in enumerate(scores, 1):
        progression.add(score, step, schedule)
        theirs.step(score)
        shares.append(progression.share)
        assert progression.share == pytest.approx(theirs.get_last_lr()[0]), step
    assert shares == [1] * 4 + [0.5] * 4 + [0.25] * 3 + [0.125] * 3
    assert (progression.best, progression.best_step, progression.waited) == (0.7, 13, 1)


def test_only_a_plateau_takes_from_the_rate() -> None:
    progression = Progression()
    for step in range(1, 30):
        progression.add(0.5, step, Schedule("cosine", patience=2))
    assert (progression.share, progression.waited) == (1.0, 28)


@pytest.mark.parametrize(
    "wrong",
    [{"course": "cosinus"}, {"warmup_steps": -1}, {"every": 0}, {"patience": -1}, {"hold": 1.0}, {"factor": 1.0}],
    ids=str,
)
def test_senseless_schedules_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Schedule(**wrong)  # type: ignore[arg-type]
