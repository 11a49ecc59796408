from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data import DataSource, SliceSelection

TERMS = ("set", "CC BY", "its authors")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "none of them"),
        ({"patients": ["a"], "phantoms": 3}, "patients, phantoms"),
        ({"patients": []}, "exactly one"),
        ({"phantoms": -1}, "-1 phantoms"),
        ({"patients": ["a"], "weight": 0.0}, "weight 0.0"),
        ({"patients": ["a"], "weight": float("nan")}, "weight nan"),
        ({"patients": ["a", "b", "a"]}, "a more than once"),
        ({"patients": ["a"], "split": "training"}, "split, which goes with manifest"),
        ({"h5": Path("x.h5"), "mask": "lesion"}, "mask, which goes with patients"),
        ({"patients": ["a"], "contrast_sets": [["T1", "T2"], ["T1"]]}, "different or no length"),
        ({"phantoms": 3, "contrast_sets": [["T1", ""]]}, "lacks a contrast, which only patients"),
    ],
    ids=str,
)
def test_senseless_sources_are_refused_in_words(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        DataSource(*TERMS, **wrong)  # type: ignore[arg-type]
    assert "'set'" in str(caught.value)


def test_contrast_sets_stand_in_for_the_models_contrasts() -> None:
    assert DataSource(*TERMS, phantoms=1).sets_for(["T1", "T2"]) == [["T1", "T2"]]
    sets = [["T1Gd", "FLAIR"], ["T2", "FLAIR"]]
    source = DataSource(*TERMS, phantoms=1, contrast_sets=sets)
    assert source.sets_for(["A", "B"]) == sets
    with pytest.raises(ConfigurationError, match="2 names, but the model takes 3"):
        source.sets_for(["A", "B", "C"])


def test_what_a_card_says_makes_the_same_source_again() -> None:
    source = DataSource(*TERMS, manifest=Path("lists") / "cases.csv", split="training", weight=2.0)
    said = source.to_json()
    assert said["manifest"] == "lists/cases.csv"
    assert "phantoms" not in said
    assert DataSource(**{**said, "manifest": Path(said["manifest"])}) == source


def bright_slices(*numbers: int, of: int = 10) -> np.ndarray:
    images = np.zeros((of, 2, 10, 10), np.float32)
    images[list(numbers), 1, :3] = 0.5
    return images


def test_slices_are_selected_by_content_mask_and_middle() -> None:
    images = bright_slices(1, 2, 3, 4, 5, 6, 8)
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[[0, 2, 4, 5, 6], 0, 0] = 3
    labels[3] = 1
    assert list(SliceSelection().chosen(images, None)) == [1, 2, 3, 4, 5, 6, 8]
    assert list(SliceSelection(labels=[3]).chosen(images, labels)) == [2, 4, 5, 6]
    assert list(SliceSelection(labels=[1, 3]).chosen(images, labels)) == [2, 3, 4, 5, 6]
    assert list(SliceSelection(middle=3).chosen(images, None)) == [3, 4, 5]
    assert list(SliceSelection(middle=99).chosen(images, None)) == [1, 2, 3, 4, 5, 6, 8]
    assert list(SliceSelection(labels=[3], middle=2).chosen(images, labels)) == [4, 5]


def test_a_selection_that_leaves_nothing_says_why() -> None:
    images = bright_slices(1)
    with pytest.raises(ConfigurationError, match="shows anything"):
        SliceSelection().chosen(bright_slices(), None)
    with pytest.raises(ConfigurationError, match="there is no mask"):
        SliceSelection(labels=[1]).chosen(images, None)
    with pytest.raises(ConfigurationError, match=r"no slice has the labels \[4\]; the mask holds 0, 2"):
        SliceSelection(labels=[4]).chosen(images, np.repeat([[[0, 2]]], 10, axis=0))
    with pytest.raises(ConfigurationError, match="shows anything"):
        SliceSelection(content_share=0.3).chosen(images, None)
    with pytest.raises(ConfigurationError, match="middle"):
        SliceSelection(middle=-1)
