import pytest

from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.card_in_words import card_in_words, contrast_warning, fits_contrasts, spread_statement


def card(task: str = "fusion", **other: object) -> ModelCard:
    fields: dict[str, object] = {
        "name": "small",
        "architecture": "fusioninn",
        "configuration": {},
        "task": task,
        "inputs": ["T1", "FLAIR"],
        "outputs": ["fused" if task == "fusion" else "T2"],
        "intensity": {},
    }
    return ModelCard(**{**fields, **other})  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [["T1", "FLAIR"], ["t1", "flair"], ["sub-03_T1", "Axial FLAIR (2)"]])
def test_names_that_hold_the_contrast_as_a_word_fit(names: list[str]) -> None:
    assert fits_contrasts(card(), names)


@pytest.mark.parametrize("names", [["T1Gd", "FLAIR"], ["FLAIR", "T1"], ["T1"], ["T1", "FLAIR", "T2"], ["", ""]])
def test_other_contrasts_another_order_or_number_are_warned_of(names: list[str]) -> None:
    warning = contrast_warning(card(), names)
    assert "trained on T1 + FLAIR" in warning
    assert " + ".join(names) in warning
    assert "may show what is not there" in contrast_warning(card("synthesis"), names)


def test_a_card_tells_what_the_model_is_for_and_was_measured_on() -> None:
    metric = {"name": "fusion SSIM", "mean": 0.91234, "standard_deviation": 0.0381, "data": "patient 19"}
    told = card_in_words(card(training={"data": [{"name": "open data"}]}, metrics=[metric]))
    assert told.split("\n") == [
        "Fuses T1 + FLAIR (fusioninn).",
        "Research use only. Not certified for diagnosis.",
        "Trained on: open data.",
        "fusion SSIM: 0.912 ± 0.038",
        "Measured on: patient 19.",
    ]
    assert card_in_words(card("synthesis")).startswith("Synthesizes T2 from T1 + FLAIR")


@pytest.mark.parametrize(
    ("scales", "said"),
    [
        ([6.64, 7.359], "It is not calibrated: errors were 6.6 and 7.4 times as large where small was measured."),
        ([None], "It is not calibrated: errors were infinitely times as large where small was measured."),
        ([1.1, 0.9], "It was about as large as the error where small was measured."),
    ],
)
def test_the_spread_is_called_calibrated_only_where_it_was_measured_to_be(
    scales: list[float | None], said: str
) -> None:
    metrics = [{"name": "calibration", "scale": scale, "pearson": 0.4, "reliability": []} for scale in scales]
    assert f" {said} It shows roughly where errors are large" in spread_statement(card(metrics=metrics))


def test_the_spread_shows_no_more_places_than_the_worse_contrast() -> None:
    metrics = [{"name": "c", "scale": 1.0, "pearson": pearson, "reliability": []} for pearson in (0.7, 0.19)]
    assert "It shows hardly where errors are large (correlation 0.19;" in spread_statement(card(metrics=metrics))
    assert "It shows well where" in spread_statement(card(metrics=metrics[:1]))


def test_a_spread_that_was_not_measured_is_said_to_be_so() -> None:
    assert "Whether it is as large as the error was not measured for small." in spread_statement(card(metrics=[]))
