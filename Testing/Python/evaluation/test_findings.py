"""Sentences on what reproduces: they follow from the figures, and say no more than those allow."""

from dataclasses import replace

import numpy as np
import pytest

from InvertibleFusionLib.evaluation.experiments.comparing import Figure
from InvertibleFusionLib.evaluation.experiments.definition import Column, Learner, Part
from InvertibleFusionLib.evaluation.experiments.findings import findings, findings_across
from InvertibleFusionLib.models.baselines.synthesis_baseline import SynthesisBaselineConfiguration
from InvertibleFusionLib.models.ivan import IvanConfiguration

PSNR, NMSE = Column("PSNR", ("PSNR, dB",), digits=2), Column("NMSE", ("NMSE",), False)
OWN = Learner("iVAN", IvanConfiguration((1,), (1,)))
PART = Part(
    "T1 → T2",
    ("T1",),
    (PSNR, NMSE),
    (OWN, Learner("Pix2pix", SynthesisBaselineConfiguration("unet", (1,), (1,)))),
    ("learnt",),
    ("measured",),
    "Made up.",
    targets=("T2",),
    published={"iVAN": {"PSNR": 39.42, "NMSE": 0.0012}, "Pix2pix": {"PSNR": 36.7}, "cycleGAN": {"PSNR": 35.7}},
)
WAY_BACK = replace(PART, columns=(Column("T1", ("PSNR, dB",)),), learners=(OWN,), measured="way back", published={})


def figure(*values: float) -> Figure:
    return Figure(float(np.mean(values)), 0.0, {("case", str(number)): value for number, value in enumerate(values)})


EIGHT = np.arange(8) / 10
RULE = {"PSNR": figure(*(10 + EIGHT)), "NMSE": figure(*(0.9 + EIGHT / 100))}


@pytest.mark.parametrize(
    ("own", "other", "says"),
    [
        (30 + EIGHT, 20 + EIGHT / 2, "this reproduces (30.35 and 20.18"),
        (20 + EIGHT, 30 - EIGHT, "this does not reproduce: Pix2pix is ahead (20.35 and 29.65"),
        (20 + EIGHT, 20 + EIGHT[::-1], "here it is undecided"),
        (
            9 + EIGHT,
            8 + EIGHT / 2,
            "Not counted, since neither iVAN nor the other is better than what needs no learning: PSNR against Pix2pix",
        ),
    ],
)
def test_findings_follow_from_the_figures(own: np.ndarray, other: np.ndarray, says: str) -> None:
    figures = {"copy": RULE, "iVAN": {"PSNR": figure(*own)}, "Pix2pix": {"PSNR": figure(*other)}}
    sentences = findings(PART, figures, frozenset({"copy"}))
    assert says in sentences[0]
    assert "published, iVAN is ahead (iVAN 39.42, Pix2pix 36.7)" in sentences[0] or "Not counted" in sentences[0]


def test_a_lower_error_is_ahead_and_rules_are_compared_with() -> None:
    figures = {"copy": RULE, "iVAN": {"NMSE": figure(*(0.1 + EIGHT / 100))}}
    [sentence] = findings(PART, figures, frozenset({"copy"}))
    assert sentence.startswith("NMSE: against the best trivial rule, copy (0.904), better: iVAN (0.104, p = ")
    worse = findings(PART, {**figures, "iVAN": {"NMSE": figure(*(1.5 + EIGHT))}}, frozenset({"copy"}))
    assert "worse: iVAN (1.850, p" in worse[0]


def test_every_network_is_held_against_the_rules_and_not_the_papers_own_alone() -> None:
    figures = {
        "copy": RULE,
        "iVAN": {"PSNR": figure(*(9 + EIGHT / 2))},
        "Pix2pix": {"PSNR": figure(*(10.1 + EIGHT[::-1]))},
    }
    part = replace(PART, published={}, columns=(PSNR,))
    [sentence] = findings(part, figures, frozenset({"copy"}))
    assert sentence.startswith("PSNR: against the best trivial rule, copy (10.35), worse: iVAN (9.17, p = 0.016); und")
    assert "undecided: Pix2pix (10.45" in sentence


def test_figures_that_cannot_be_compared_are_not_and_fusion_is_judged_by_its_column() -> None:
    figures = {
        "copy": {"PSNR": figure(*(10 + EIGHT)), "NMSE": figure(*(0.1 + EIGHT))},
        "iVAN": {"PSNR": figure(*(20 + EIGHT)), "NMSE": figure(*(0.9 + EIGHT))},
        "Pix2pix": {"PSNR": figure(*(15 + EIGHT / 2)), "NMSE": figure(*(0.8 + EIGHT / 2))},
    }
    fusion = replace(PART, measured="fusion", judged_by="NMSE")
    assert "Not counted" in findings(fusion, figures, frozenset({"copy"}))[0]
    assert "this reproduces" in findings(replace(fusion, judged_by=""), figures, frozenset({"copy"}))[0]
    incomparable = replace(PART, columns=(replace(PSNR, comparable=False),))
    assert not any("published" in sentence for sentence in findings(incomparable, figures, frozenset({"copy"})))


def test_the_way_back_says_both_ways_beside_the_published_one() -> None:
    trip, alone = "iVAN, round trip from the full output", "iVAN, from the real target alone"
    part = replace(WAY_BACK, published={trip: {"T1": 56.0}})
    [sentence] = findings(part, {trip: {"T1": figure(140.0)}, alone: {"T1": figure(17.25)}}, frozenset())
    assert "published 56, a round trip; here the round trip gives 140.000, the real target alone 17.250" in sentence


def test_methods_of_different_parts_are_compared_slice_by_slice() -> None:
    first = replace(PART, published={"one": {"PSNR": 20.0}})
    second = replace(PART, published={"two": {"PSNR": 21.0}})
    found = [(first, {"one": {"PSNR": figure(*(20 + EIGHT))}}), (second, {"two": {"PSNR": figure(*(22 + 2 * EIGHT))}})]
    sentences = findings_across(("two", "one"), found, frozenset())
    assert "published, two is ahead (two 21, one 20); this reproduces" in sentences[0]
    assert findings_across((), found, frozenset()) == []


def test_p_is_corrected_for_all_tests_of_a_part_and_too_few_slices_decide_nothing() -> None:
    figures = {"copy": RULE, "iVAN": {"PSNR": figure(*(30 + EIGHT))}, "Pix2pix": {"PSNR": figure(*(20 + EIGHT / 2))}}
    sentences = findings(PART, figures, frozenset({"copy"}))
    assert "p = 0.023" in sentences[0]  # three times 2 / 2 ** 8: all of eight pairs differ in one direction
    assert not any("So few slices" in sentence for sentence in sentences)
    few = {name: {"PSNR": figure(*list(row["PSNR"].slices.values())[:5])} for name, row in figures.items()}
    sentences = findings(PART, few, frozenset({"copy"}))
    assert "here it is undecided" in sentences[0]
    assert any("no corrected p can be below 0.19" in sentence for sentence in sentences)


def test_nothing_is_called_better_for_what_noise_raises() -> None:
    part = replace(PART, measured="fusion", columns=(replace(PSNR, noise_raises=True),), published={})
    figures = {"copy": {"PSNR": RULE["PSNR"]}, "iVAN": {"PSNR": figure(*(30 + EIGHT / 2))}}
    [sentence] = findings(part, figures, frozenset({"copy"}))
    assert "against the highest trivial rule, copy (10.35), higher: iVAN (30.18" in sentence
    assert "Noise raises it" in sentence
    assert "better:" not in sentence


def test_a_decomposition_no_better_than_the_fused_image_itself_is_not_compared() -> None:
    columns = (Column("fusion", ("SSIM",)), Column("taken back", ("SSIM back",), exceeds="fusion"))
    published = {"iVAN": {"taken back": 0.97}, "Pix2pix": {"taken back": 0.93}}
    part = replace(PART, measured="fusion", columns=columns, published=published)
    fused = {"fusion": figure(*(0.8 + EIGHT / 10))}
    poor = {**fused, "taken back": figure(*(0.7 + EIGHT / 20))}
    good = {**fused, "taken back": figure(*(0.9 + EIGHT / 20))}
    sentences = findings(part, {"iVAN": poor, "Pix2pix": poor}, frozenset())
    assert "Not counted" in sentences[0]
    assert "what iVAN takes back is less like the source than the fused image" in sentences[1]
    sentences = findings(part, {"iVAN": good, "Pix2pix": poor}, frozenset())
    assert "this reproduces" in sentences[0]
    assert "is more like the source" in sentences[1]


@pytest.mark.parametrize(
    ("own", "says"),
    [(30 + EIGHT, "ahead of Pix2pix (20.35, p = "), (15 + EIGHT, "behind Pix2pix"), (20 + EIGHT[::-1], "undecided")],
)
def test_a_network_that_the_paper_calls_the_best_is_held_against_all_others(own: np.ndarray, says: str) -> None:
    part = replace(PART, published={}, columns=(PSNR,), said_best=True)
    figures = {"copy": RULE, "iVAN": {"PSNR": figure(*own)}, "Pix2pix": {"PSNR": figure(*(20 + EIGHT))}}
    sentence = findings(part, figures, frozenset({"copy"}))[0]
    assert "the paper says that iVAN is the best or nearly so" in sentence
    assert says in sentence
    unlearnt = {**figures, "iVAN": {"PSNR": figure(*(5 + EIGHT))}, "Pix2pix": {"PSNR": figure(*(6 + EIGHT))}}
    assert findings(part, unlearnt, frozenset({"copy"}))[0].startswith("Not counted")
