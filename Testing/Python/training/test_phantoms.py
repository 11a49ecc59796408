"""Phantom patients as a source; small slabs, since a phantom takes time."""

from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data import DataSource, SliceSelection, for_reporting, load_stocks, with_scale
from InvertibleFusionLib.training.data.patients import PatientSlices
from InvertibleFusionLib.training.data.phantoms import SAMPLES_PER_PATIENT, WINDOW, PhantomStock, Slab
from InvertibleFusionLib.volumes.intensity import IntensityScale

TALL = Slab(columns=25, rows=30, slices=4, spacing=(6.0, 6.0), thickness=(32.0, 32.0), lowest=(-40.0, -40.0))
"""From the skull's base to the vertex, farther than any tumour reaches."""
SMALL = Slab(columns=40, rows=48, slices=3, spacing=(3.5, 4.5), thickness=(8.0, 12.0), lowest=(0.0, 10.0))


def stock(
    count: int = 5,
    seed: int = 0,
    sets: tuple[tuple[str, ...], ...] = (("T1Gd", "FLAIR"),),
    selection: SliceSelection | None = None,
    cache: Path | None = None,
    slab: Slab = SMALL,
) -> PhantomStock:
    scale = with_scale(IntensityScale())
    return PhantomStock(1.0, count, seed, sets, scale, selection or SliceSelection(), cache, slab)


def test_patient_k_belongs_to_its_seed_however_it_is_reached() -> None:
    [first] = stock(seed=3).make(4)
    [again] = stock(count=10**9, seed=7).make(0)
    assert first.patient == "phantom 7"
    assert first.images.shape[1:] == (2, 48, 40)
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.mask, again.mask)
    [other] = stock(seed=3).make(3)
    assert not np.array_equal(first.images, other.images)


def test_sets_of_contrasts_show_the_same_head() -> None:
    one, two = stock(sets=(("T1Gd", "FLAIR"), ("T2", "FLAIR"))).make(0)
    assert (one.contrasts, two.contrasts) == (("T1Gd", "FLAIR"), ("T2", "FLAIR"))
    np.testing.assert_array_equal(one.images[:, 1], two.images[:, 1])
    assert not np.array_equal(one.images[:, 0], two.images[:, 0])


def test_slices_can_be_those_of_the_tumour() -> None:
    [whole] = stock(slab=TALL).make(1)
    assert whole.mask is not None
    with_lesion = whole.mask.any(axis=(1, 2))
    assert 0 < with_lesion.sum() < 4
    [lesions] = stock(selection=SliceSelection(labels=[13, 14, 15]), slab=TALL).make(1)
    np.testing.assert_array_equal(lesions.images, whole.images[with_lesion])
    with pytest.raises(ConfigurationError, match="The phantom of seed 0: no slice has the labels"):
        stock(selection=SliceSelection(labels=[99])).make(0)


def test_contrasts_that_phantoms_lack_are_told_before_training(tmp_path: Path) -> None:
    source = DataSource("phantoms", "Apache-2.0", "this library", phantoms=10)
    with pytest.raises(ConfigurationError, match=r"(?s)1 case cannot.*no contrast CT"):
        load_stocks([source], ["CT", "T2"], tmp_path, for_reporting)


def test_an_endless_stock_makes_few_patients_and_draws_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as 10⁹ patients must neither be made nor kept; in the long run the window passes over all."""
    made: list[int] = []

    def make(self: PhantomStock, number: int) -> list[PatientSlices]:
        made.append(number)
        return [PatientSlices(str(number), np.zeros((1, 2, 4, 4), np.float32))]

    monkeypatch.setattr(PhantomStock, "make", make)
    endless, steps = stock(count=10**9), 4 * SAMPLES_PER_PATIENT
    drawn = [endless.draw(index, np.random.default_rng([0, index])).patient for index in range(steps)]
    assert sorted(set(map(int, drawn))) == list(range(WINDOW + 3))
    assert len(made) == len(set(made))
    assert len(endless._kept) == WINDOW + 1
    # A run that goes on in the middle sees the same patients without the earlier ones.
    later = stock(count=10**9).draw(steps - 1, np.random.default_rng([0, steps - 1]))
    assert later.patient == drawn[-1]
    few = stock(count=3)
    names = [few.draw(index, np.random.default_rng([0, index])).patient for index in range(600)]
    assert [names.count(each) / 600 == pytest.approx(1 / 3, abs=0.07) for each in "012"] == [True] * 3


def test_phantoms_are_kept_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [first] = stock(cache=tmp_path).make(0)
    monkeypatch.setattr("InvertibleFusionLib.phantom.Patient.from_seed", lambda seed: pytest.fail("made again"))
    [again] = stock(cache=tmp_path).make(0)
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.mask, again.mask)
