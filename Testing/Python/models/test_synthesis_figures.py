import pytest
import yaml

from InvertibleFusionLib.cli import main
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
    limits = {"FLAIR_by_the_noise_oracle": 47.0, "FLAIR_by_the_noise-free_signal": 44.9}
    [told] = against_rules(card(synthetic_FLAIR=44.0, **limits, **BESIDE))
    assert told.endswith("fit 21.0; the noise-free signal 44.9; the noise oracle 47.0, more cannot be reached.")


def test_nothing_is_said_where_nothing_was_measured_beside_it() -> None:
    assert against_rules(card(synthetic_FLAIR=25.0)) == []
    assert against_rules(ModelCard("small", "ivan", {}, "synthesis", ["T1"], ["T2"], {})) == []


def figures(**means: float) -> ModelCard:
    """A card of a model of PSNR 25 beside a rule of 21, with further figures."""
    metrics = [{"name": "synthetic FLAIR: PSNR", "mean": 25.0}, {"name": "FLAIR by the linear fit: PSNR", "mean": 21.0}]
    metrics += [
        {"name": name.replace("_", " ").replace(" SSIM", ": SSIM"), "mean": mean} for name, mean in means.items()
    ]
    for metric in metrics:
        metric["name"] = str(metric["name"]).replace("FLAIR PSNR", "FLAIR: PSNR").replace("fit PSNR", "fit: PSNR")
    return ModelCard("small", "ivan", {}, "synthesis", ["T1", "T2"], ["FLAIR"], {}, metrics=metrics)


@pytest.mark.parametrize(("similarity", "worse"), [(0.8, False), (0.787, True), (0.777, True)])
def test_an_ssim_that_a_copy_reaches_is_said(similarity: float, worse: bool) -> None:
    told = against_rules(
        figures(
            synthetic_FLAIR_SSIM=similarity,
            T1_in_place_of_FLAIR_SSIM=0.787,
            FLAIR_by_the_linear_fit_SSIM=0.2,
            FLAIR_by_the_noise_oracle_SSIM=0.99,
        )
    )
    assert told[1:] == [f"Its SSIM, {similarity:.3f}, is no better than that of a copy of T1 (0.787)."] * worse


def test_rules_that_are_as_good_inside_the_lesion_are_named() -> None:
    told = against_rules(
        figures(
            synthetic_FLAIR_PSNR_inside_the_lesion=12.0,
            T1_in_place_of_FLAIR_PSNR_inside_the_lesion=8.6,
            FLAIR_by_the_linear_fit_PSNR_inside_the_lesion=11.1,
            synthetic_FLAIR_SSIM_inside_the_lesion=0.252,
            T1_in_place_of_FLAIR_SSIM_inside_the_lesion=-0.29,
            T2_in_place_of_FLAIR_SSIM_inside_the_lesion=0.35,
            FLAIR_by_the_linear_fit_SSIM_inside_the_lesion=0.26,
        )
    )
    assert told[1:] == [
        "Inside the lesion its PSNR, 12.0 dB, is not clearly better than that of the linear fit (11.1), and its SSIM, "
        "0.252, is no better than that of a copy of T2 (0.350) and the linear fit (0.260)."
    ]


def test_a_model_that_is_better_inside_the_lesion_gets_no_sentence_of_it() -> None:
    card = figures(
        synthetic_FLAIR_PSNR_inside_the_lesion=12.0,
        T1_in_place_of_FLAIR_PSNR_inside_the_lesion=8.6,
        synthetic_FLAIR_SSIM_inside_the_lesion=0.4,
        T1_in_place_of_FLAIR_SSIM_inside_the_lesion=0.39,
    )
    assert len(against_rules(card)) == 1


def test_the_command_and_the_panel_say_of_the_shipped_ivan_where_copies_are_better(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "ivan-t1-t2-flair"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    mean = {each["name"]: each["mean"] for each in shown["metrics"] if "mean" in each}
    copies = [f"{source} in place of FLAIR" for source in ("T1", "T2")]
    whole = any(mean[f"{copy}: SSIM"] >= mean["synthetic FLAIR: SSIM"] for copy in copies)
    lesion = ": SSIM inside the lesion"
    inside = any(mean[copy + lesion] >= mean["synthetic FLAIR" + lesion] for copy in copies)
    said = [line for line in shown["against_rules"] if "no better than that of a copy" in line]
    assert [line.startswith("Inside") for line in said] == [False] * whole + [True] * inside
    words = card_in_words(ModelCard.from_json({k: v for k, v in shown.items() if k not in ("sha256", "against_rules")}))
    assert set(shown["against_rules"]) <= set(words.split("\n"))


def test_a_card_tells_the_figures_of_the_model_and_one_sentence_of_the_rules() -> None:
    """The rules' own figures would push the lesion's out of the few that are told."""
    lines = card_in_words(card(synthetic_FLAIR=25.0, **BESIDE)).split("\n")
    assert lines[2:] == [
        "synthetic FLAIR: PSNR: 25 ± 0.5",
        "synthetic FLAIR: SSIM: 0.9 ± 0.5",
        "PSNR of the synthetic FLAIR: 25.0 dB; in its place T1 15.2, T2 12.0, the linear fit 21.0.",
        "Measured on: patient 19.",
    ]
