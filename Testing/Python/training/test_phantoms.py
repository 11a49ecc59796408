"""Phantom patients as a source; small slabs, since a phantom takes time."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.phantom import Patient
from InvertibleFusionLib.training.data import (
    DataSource,
    SliceSelection,
    for_reporting,
    load_stocks,
    loading,
    with_scale,
)
from InvertibleFusionLib.training.data.patients import PatientSlices
from InvertibleFusionLib.training.data.phantoms import SAMPLES_PER_PATIENT, WINDOW, PhantomStock, Slab
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.intensity import IntensityScale
from InvertibleFusionLib.volumes.volume import Volume

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


def test_the_slab_goes_where_the_labels_are() -> None:
    """A thin slab at the skull's base lies below the tumour; asked for the tumour, every slice of it shows some."""
    low = Slab(columns=40, rows=48, slices=3, spacing=(4.5, 4.5), thickness=(5.0, 5.0), lowest=(-60.0, -60.0))
    lesion = Patient.from_seed(0).lesion
    assert lesion.centre[2] - lesion.radius > -60.0 + 3 * 5.0
    [tumour] = stock(slab=low, selection=SliceSelection(labels=[14, 15])).make(0)
    assert tumour.mask is not None
    assert tumour.mask.any(axis=(1, 2)).all()
    assert len(tumour.images) == 3


def test_a_slab_is_moved_no_farther_than_needed() -> None:
    labels = np.zeros((20, 2, 2), np.uint8)
    labels[12:15] = 3
    head = Volume.on_grid(labels, Grid((2, 2, 20), (1.0, 1.0, 4.0), (0.0, 0.0, -40.0)))  # they lie at 8 to 16 mm

    def lowest(slices: int, drawn: float, wanted: int = 3) -> float:
        slab = Slab(slices=slices, thickness=(2.0, 2.0), lowest=(drawn, drawn))
        return slab.over(np.random.default_rng(0), head, [wanted]).origin[2]

    assert lowest(10, 0.0) == 0.0  # 0 to 18 mm holds them
    assert lowest(10, -30.0) == -2.0
    assert lowest(10, 30.0) == 8.0
    assert lowest(2, -30.0) == 6.0  # too thin for all: the first that shows most
    assert lowest(10, -30.0, wanted=9) == -30.0


def test_labels_that_phantoms_lack_are_told_before_training(tmp_path: Path) -> None:
    source = DataSource("phantoms", "Apache-2.0", "this library", phantoms=10)
    chosen = SliceSelection(labels=[14, 99])
    with pytest.raises(ConfigurationError, match=r"(?s)1 case cannot.*no label 99, only 0 air, .*15 tumour core"):
        load_stocks([source], ["T1", "T2"], tmp_path, for_reporting, chosen)


def test_a_selection_that_leaves_nothing_of_any_phantom_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PhantomStock", partial(PhantomStock, slab=SMALL))
    source = DataSource("phantoms", "Apache-2.0", "this library", phantoms=1)
    chosen = SliceSelection(content_level=2.0)  # slices for reporting end at 1
    with pytest.raises(ConfigurationError, match=r"(?s)1 case cannot.*seed 0: no axial slice shows anything"):
        load_stocks([source], ["T1", "T2"], tmp_path, for_reporting, chosen)


def test_a_phantom_without_slices_gives_way_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def make(self: PhantomStock, number: int) -> list[PatientSlices]:
        made.append(number)
        if number in (1, 2, 4):
            raise ConfigurationError(f"The phantom of seed {number}: nothing.")
        return [PatientSlices(str(number), np.zeros((1, 2, 4, 4), np.float32))]

    monkeypatch.setattr(PhantomStock, "make", make)
    few = stock(count=5)
    drawn = [few.draw(index, np.random.default_rng([0, index])).patient for index in range(200)]
    numbers = [int(np.random.default_rng([0, index]).integers(5)) for index in range(200)]
    assert drawn == [{0: "0", 1: "3", 2: "3", 3: "3", 4: "0"}[number] for number in numbers]
    assert len(made) == 5  # none is tried again and again
    with pytest.raises(ConfigurationError, match="The phantom of seed 1"):
        few.everyone()


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
