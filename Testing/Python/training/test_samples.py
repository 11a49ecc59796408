"""Samples as functions of seed and number: what resuming, several processes and workers rely on."""

from collections import Counter

import numpy as np
import pytest
import torch

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data import Augmentation, LoadedStock, PatientSlices, Samples, loader

Batch = dict[str, torch.Tensor]


def patient(brightness: float, slices: int = 3, shape: tuple[int, int] = (20, 17)) -> PatientSlices:
    generator = np.random.default_rng(int(brightness))
    images = brightness + 0.5 * generator.random((slices, 2, *shape))
    return PatientSlices(f"p{brightness}", images.astype(np.float32))


def samples(total: int = 48, seed: int = 5) -> Samples:
    stocks = [LoadedStock(1.0, [[patient(1), patient(2)], [patient(3)]]), LoadedStock(2.0, [[patient(4)]])]
    return Samples(stocks, Augmentation(crop=12, rotation_degrees=5), seed, total)


def same(first: list[Batch], second: list[Batch]) -> bool:
    assert len(first) == len(second) > 0
    return all(torch.equal(a[key], b[key]) for a, b in zip(first, second, strict=True) for key in ("images", "seed"))


def test_a_sample_is_a_function_of_seed_and_number() -> None:
    one, other = samples(), samples(total=1000)
    forward = [one[index] for index in range(10)]
    backward = [other[index] for index in reversed(range(10))][::-1]
    assert same(forward, backward)
    assert forward[0]["images"].shape == (2, 12, 12)
    assert (forward[0]["images"].dtype, forward[0]["seed"].dtype) == (torch.float32, torch.int64)
    assert forward[0]["seed"].shape == ()
    assert len({int(sample["seed"]) for sample in forward}) == 10
    assert all(sample["seed"] >= 0 for sample in forward)
    assert not same(forward, [samples(seed=6)[index] for index in range(10)])
    with pytest.raises(IndexError):
        one[48]


def test_a_run_that_goes_on_sees_what_a_whole_run_sees() -> None:
    whole = list(loader(samples(), 0, batch_size=4))
    assert len(whole) == 12
    assert same(whole[3:], list(loader(samples(), 3, batch_size=4)))
    assert whole[0]["images"].shape == (4, 2, 12, 12)
    assert whole[0]["seed"].shape == (4,)


def test_two_processes_see_together_what_one_with_twice_the_batch_sees() -> None:
    one = list(loader(samples(), 1, batch_size=6))
    ranks = [list(loader(samples(), 1, batch_size=3, rank=rank, world=2)) for rank in (0, 1)]
    assert len(ranks[0]) == len(ranks[1]) == len(one) == 7
    together = [{key: torch.cat([a[key], b[key]]) for key in ("images", "seed")} for a, b in zip(*ranks, strict=True)]
    assert same(one, together)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker:UserWarning")  # on one processor
def test_workers_change_nothing_nor_does_torchs_own_randomness() -> None:
    torch.manual_seed(1)
    plain = list(loader(samples(24), 2, batch_size=4))
    state = torch.get_rng_state()
    assert same(plain, list(loader(samples(24), 2, batch_size=4, workers=2)))
    assert torch.equal(state, torch.get_rng_state())


def test_samples_that_do_not_fill_a_step_are_left_out_and_a_finished_run_has_none() -> None:
    assert len(loader(samples(total=11), 0, batch_size=4)) == 2
    assert list(loader(samples(total=11), 2, batch_size=4)) == []
    assert list(loader(samples(total=11), 9, batch_size=4)) == []


def test_weights_patients_studies_and_slices_are_drawn_as_promised() -> None:
    """Brightness tells who was drawn: weight 1 : 3; patients evenly, whatever their studies and slices."""
    stocks = [
        LoadedStock(1.0, [[patient(1, slices=50), patient(2, slices=1), patient(3)], [patient(4)]]),
        LoadedStock(3.0, [[patient(5)]]),
    ]
    still = Augmentation(crop=12, gamma=1.0, gain=1.0, noise=0.0)
    drawn = Samples(stocks, still, seed=0, total=6000)
    counts = Counter(int(drawn[index]["images"].max()) for index in range(6000))
    expected = {1: 1 / 24, 2: 1 / 24, 3: 1 / 24, 4: 1 / 8, 5: 3 / 4}
    for who, share in expected.items():
        deviation = (share * (1 - share) / 6000) ** 0.5
        assert counts[who] / 6000 == pytest.approx(share, abs=4 * deviation), who


def test_batches_are_varied_finite_and_of_the_asked_size() -> None:
    small = LoadedStock(1.0, [[patient(1, shape=(31, 29))]])
    first, second = loader(Samples([small], Augmentation(crop=40), 0, 4), 0, 2)
    assert first["images"].shape == (2, 2, 40, 40)
    assert torch.isfinite(first["images"]).all()
    assert not torch.equal(first["images"], second["images"])


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"rank": 1}, {"rank": -1, "world": 2}, {"workers": -1}, {"start": -1}], ids=str
)
def test_senseless_loaders_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        loader(samples(), **{"start": 0, "batch_size": 2, **wrong})
    with pytest.raises(ConfigurationError):
        Samples([], Augmentation(), 0, 1)
    with pytest.raises(ConfigurationError):
        samples(seed=-1)
