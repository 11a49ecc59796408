import pytest

from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.card_in_words import card_in_words
from InvertibleFusionLib.models.synthesis_figures import against_rules


def card(**peaks: float) -> ModelCard:
    """A card with these PSNR among other figures."""
    metrics = [{"name": name.replace("_", " "), "mean": mean} for name, mean in peaks.items()]
    for metric in metrics:
        metric["name"] = f"{metric['name']}: PSNR"
    more = [{"name": "synthetic FLAIR: SSIM", "mean": 0.9}, {"name": "T1 in place of FLAIR: NMSE", "mean": 0.3}]
    metrics = [{**metric, "standard_deviation": 0.5, "data": "patient 19"} for metric in [*metrics, *more]]
    return ModelCard("small", "ivan", {}, "synthesis", ["T1", "T2"], ["FLAIR"], {}, metrics=metrics)


BESIDE = {"T1_in_place_of_FLAIR": 15.2, "T2_in_place_of_FLAIR": 12.0, "FLAIR_by_the_linear_fit": 21.0}


def test_a_model_stands_beside_the_rules() -> None:
    [told] = against_rules(card(synthetic_FLAIR=25.0, **BESIDE))
    assert told == "PSNR of the synthetic FLAIR: 25.0 dB; in its place T1 15.2, T2 12.0, the linear fit 21.0."


@pytest.mark.parametrize("peak", [20.0, 21.9])
def test_a_model_that_is_not_clearly_better_is_said_to_be_so(peak: float) -> None:
    [told] = against_rules(card(synthetic_FLAIR=peak, **BESIDE))
    assert told.endswith("It is not clearly better than the linear fit.")


def test_the_noise_oracle_is_a_limit_and_no_rule_to_beat() -> None:
    [told] = against_rules(card(synthetic_FLAIR=45.0, FLAIR_by_the_noise_oracle=47.0, **BESIDE))
    assert told.endswith("the linear fit 21.0; the noise oracle 47.0, more cannot be reached.")


def test_nothing_is_said_where_nothing_was_measured_beside_it() -> None:
    assert against_rules(card(synthetic_FLAIR=25.0)) == []
    assert against_rules(ModelCard("small", "ivan", {}, "synthesis", ["T1"], ["T2"], {})) == []


def test_a_card_tells_the_figures_of_the_model_and_one_sentence_of_the_rules() -> None:
    """The rules' own figures would push the lesion's out of the few that are told."""
    lines = card_in_words(card(synthetic_FLAIR=25.0, **BESIDE)).split("\n")
    assert lines[2:] == [
        "synthetic FLAIR: PSNR: 25 ± 0.5",
        "synthetic FLAIR: SSIM: 0.9 ± 0.5",
        "PSNR of the synthetic FLAIR: 25.0 dB; in its place T1 15.2, T2 12.0, the linear fit 21.0.",
        "Measured on: patient 19.",
    ]
