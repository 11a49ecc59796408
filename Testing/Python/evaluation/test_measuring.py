import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from InvertibleFusionLib.errors import ConfigurationError, InferenceError
from InvertibleFusionLib.evaluation.case_measures import CONSISTENCY, CONSISTENCY_OF_TARGET
from InvertibleFusionLib.evaluation.cases import EvaluationCase, one_case
from InvertibleFusionLib.evaluation.measuring import CaseMeasurement, measure
from InvertibleFusionLib.evaluation.methods import Method, TakenApart, model_method
from InvertibleFusionLib.evaluation.slice_measures import FUSION_TIME, metrics_named
from InvertibleFusionLib.evaluation.table_cells import TableRow
from InvertibleFusionLib.evaluation.tables import Table, case_table, overall_table, write_slices
from InvertibleFusionLib.evaluation.trivial_rules import fusion_rules, synthesis_rules
from InvertibleFusionLib.models.model import Model

MakeCase = Callable[..., EvaluationCase]

FIRST = Method("first source", lambda given: given.sources[:1])
KNOWING = Method(
    "knows the way back",
    lambda given: given.sources[:1],
    lambda images, given, samples: TakenApart(given.sources, np.full_like(given.sources, 0.1)),
)


def row(table: Table, name: str) -> TableRow:
    (found,) = [row for row in table.rows if row.measure.name == name]
    return found


def by_name(measured: CaseMeasurement, method: str, index: int = 0) -> dict[str, float]:
    rows = [row for row in measured.rows if row.method == method]
    return {measure.name: value for measure, value in rows[index].values.items()}


def test_numbers_are_those_of_scikit_image(case: EvaluationCase) -> None:
    (measured,) = measure([*fusion_rules(), FIRST], [case])
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    for index in range(len(case)):
        first, second = case.sources_of(index).astype(np.float64)
        maps = structural_similarity(first, second, full=True, **options)[1]
        values = by_name(measured, "first source", index)
        assert values["SSIM with T1"] == pytest.approx(1)
        assert values["SSIM with T2"] == pytest.approx(maps[5:-5, 5:-5].mean(), abs=1e-5)
        assert values["SSIM with the sources, mean"] == pytest.approx((1 + values["SSIM with T2"]) / 2)
    lesion = by_name(measured, "first source", 2)
    assert lesion["SSIM with T2, inside the lesion"] == pytest.approx(maps[8:16, 8:16].mean(), abs=1e-5)
    assert "SSIM with T2, inside the lesion" not in by_name(measured, "first source", 1)


def test_the_lesions_contrast_is_that_of_the_source_it_is_taken_from(case: EvaluationCase) -> None:
    images = case.images.copy()
    images[-1, 1] = 0.5 + 0.01 * np.random.default_rng(0).standard_normal(images.shape[2:])
    images[-1, 0][case.mask[-1]] = 3 * images[-1, 0].max()  # stands out in T1 only
    bright = replace(case, images=images)
    (measured,) = measure([*fusion_rules(), FIRST], [bright])
    name = "contrast of the lesion to its surroundings, share of that in the source where it is largest"
    assert by_name(measured, "mean", 2)[name] < 1
    assert measured.shown.index == 2


def test_a_perfect_way_back_and_what_is_rounded(case: EvaluationCase) -> None:
    (measured,) = measure([KNOWING], [case])
    values = by_name(measured, KNOWING.name)
    back = {name: value for name, value in values.items() if "decomposition" in name}
    assert len(back) == 2 * 4  # draws, one draw, rounded, inside the head
    assert list(back.values()) == pytest.approx([1] * 8)
    assert measured.calibrations[KNOWING.name]["T1"].within_one == 1


def test_rounding_reaches_the_way_back(case: EvaluationCase) -> None:
    seen: list[np.ndarray] = []

    def look(images: np.ndarray, given: object, samples: int) -> TakenApart:
        seen.append(images)
        return TakenApart(np.repeat(images, 2, axis=0), None)

    measure([Method("looks", lambda given: given.sources[:1], look)], [case])
    levels = [np.allclose(images * 4095, np.rint(images * 4095), atol=1e-2) for images in seen]
    assert 0 < sum(levels) < len(levels)


def test_one_slice_and_constant_slices() -> None:
    flat = one_case("flat", ["A", "B"], np.full((1, 2, 20, 20), 0.4, np.float32))
    (measured,) = measure([*fusion_rules(), KNOWING], [flat])
    table = case_table(measured)
    assert table.tests == 0  # a single pair tells nothing
    assert row(table, "SSIM with A").cells["mean"].mean == pytest.approx(1)
    assert row(table, "SSIM with A").cells["mean"].main(4) == "1.0000"
    assert CONSISTENCY not in measured.whole["mean"]
    assert all(np.isfinite(value) for each in measured.rows for value in each.values.values())


def test_images_that_do_not_change_while_the_sources_do(case: EvaluationCase) -> None:
    still = Method("still", lambda given: np.full((1, 24, 24), 0.5, np.float32))
    (measured,) = measure([still, FIRST], [case])
    assert measured.whole["still"][CONSISTENCY] == 0
    missing = replace(case, numbers=(0, 1, 5))
    assert measure([still], [missing])[0].whole["still"] == {}


def test_a_synthesis_shall_change_as_its_target_does(blocks: MakeCase) -> None:
    perfect = Method("perfect", lambda given: (0.2 + 0.5 * given.sources**2).astype(np.float32))
    (measured,) = measure([perfect], [blocks("someone", 1, 3, ("T2",))])
    assert measured.whole["perfect"] == {CONSISTENCY_OF_TARGET: pytest.approx(1, abs=1e-5)}


def test_the_table_compares_with_the_best_rule(blocks: MakeCase) -> None:
    case = blocks("many", 4, slices=12)
    worse = Method("noise", lambda given: np.random.default_rng(given.number).random((1, 24, 24)).astype(np.float32))
    (measured,) = measure([*fusion_rules(), FIRST, worse], [case])
    table = case_table(measured)
    found = row(table, "SSIM with T1")
    values = {name: [by_name(measured, name, index)["SSIM with T1"] for index in range(12)] for name in table.methods}
    assert found.rule == max(("mean", "maximum", "Laplacian pyramid"), key=lambda name: np.mean(values[name]))
    assert found.cells["noise"].mean == pytest.approx(np.mean(values["noise"]))
    assert found.cells["noise"].deviation == pytest.approx(np.std(values["noise"]))
    assert found.cells["noise"].median == pytest.approx(np.median(values["noise"]))
    assert (found.cells["first source"].verdict.sign, found.cells["noise"].verdict.sign) == ("▲", "▼")
    assert found.cells["noise"].verdict.p == pytest.approx(min(1, 2**-11 * table.tests), rel=1e-6)
    assert found.cells["mean"].verdict is None
    assert all(row.rule == "" for row in table.rows if row.measure.name.startswith(("EN", "AG", "SF", "time")))
    assert "not independent" in table.markdown()
    assert f"{table.tests} tests" in table.markdown()
    assert "cannot show a difference" not in table.markdown()


def test_too_few_slices_to_show_anything_are_said_to_be(case: EvaluationCase) -> None:
    """Of three pairs the smallest p is 2 / 2³, before it is corrected."""
    (measured,) = measure([*fusion_rules(), FIRST], [case], [])
    table = case_table(measured)
    found = row(table, "SSIM with T1").cells["first source"].verdict
    assert found is not None
    assert found.sign == "·"
    assert found.p == pytest.approx(min(1, table.tests / 4))
    assert f"no corrected p can be below {found.p:.3f}" in table.markdown()


def test_cases_count_once_each_in_the_table_of_all(blocks: MakeCase) -> None:
    cases = [blocks("long", 1, slices=5), blocks("short", 2, slices=2)]
    measurements = measure(fusion_rules(), cases)
    means = [row(case_table(each), "Q_MI").cells["mean"].mean for each in measurements]
    overall = row(overall_table(measurements), "Q_MI").cells["mean"]
    assert overall.mean == pytest.approx(np.mean(means))
    assert overall.count == 2
    assert "not independent" not in overall_table(measurements).markdown()


def test_every_slice_is_in_the_csv_with_its_number(case: EvaluationCase, tmp_path: Path) -> None:
    case = replace(case, name='a "strange", name', numbers=(7, 8, 9), labels=("7", "8", "9"))
    write_slices(measure(fusion_rules(), [case]), tmp_path / "slices.csv")
    rows = list(csv.DictReader((tmp_path / "slices.csv").read_text().splitlines()))
    assert [(row["case"], row["slice"], row["method"]) for row in rows[:3]] == [
        ('a "strange", name', "7", name) for name in ("mean", "maximum", "Laplacian pyramid")
    ]
    assert rows[0]["SSIM with T1, inside the lesion"] == ""
    assert float(rows[-1]["SSIM with T1, inside the lesion"]) < 1


def test_syntheses_are_measured_against_their_targets(blocks: MakeCase) -> None:
    case, others = blocks("measured", 1, 3, ("T2",)), [blocks("a", 2, 9, ("T2",))]
    perfect = Method("perfect", lambda given: (0.2 + 0.5 * given.sources**2).astype(np.float32))
    (measured,) = measure([*synthesis_rules(["T1"], ["T2"], others), perfect], [case])
    values = by_name(measured, "copy of T1")
    error = case.images[0, 0].astype(np.float64) - case.images[0, 1]
    assert values["PSNR, dB"] == pytest.approx(-10 * np.log10(np.mean(error**2)), abs=1e-4)
    assert values["NMSE"] == pytest.approx(np.sum(error**2) / np.sum(case.images[0, 1].astype(np.float64) ** 2))
    assert "VIF" not in values
    assert by_name(measured, "perfect", 2)["PSNR, inside the lesion, dB"] > 100
    table = case_table(measured)
    assert row(table, "NMSE").rule == "lookup table"  # the smallest


def test_a_rule_is_not_measured_on_whom_it_was_fitted(case: EvaluationCase, blocks: MakeCase) -> None:
    own = blocks("someone", 0, 3, ("T2",))
    with pytest.raises(ConfigurationError, match=r"fitted on someone"):
        measure(synthesis_rules(["T1"], ["T2"], [own]), [own])
    with pytest.raises(ConfigurationError, match="first source"):
        measure([FIRST, FIRST], [case])


def test_results_that_are_none_are_refused(case: EvaluationCase) -> None:
    with pytest.raises(InferenceError, match=r"small made images of \(1, 9, 24\)"):
        measure([Method("small", lambda given: given.sources[:1, :9])], [case])
    with pytest.raises(InferenceError, match="576 values that are not finite"):
        measure([Method("nothing", lambda given: given.sources[:1] * np.nan)], [case])
    with pytest.raises(ConfigurationError, match="9×9"):
        measure([FIRST], [one_case("tiny", ["A"], np.zeros((1, 1, 9, 9), np.float32))])


def test_metrics_are_chosen_by_their_symbols(case: EvaluationCase) -> None:
    (measured,) = measure([FIRST], [case], metrics_named(["q_mi"], synthesis=False))
    names = set(by_name(measured, "first source"))
    assert "Q_MI" in names
    assert "FMI" not in names
    assert "VIF" in {metric.symbol for metric in metrics_named(["all"], synthesis=True)}
    with pytest.raises(ConfigurationError, match=r"no metric beauty for fusion.*Q_AB/F"):
        metrics_named(["beauty"], synthesis=False)


def test_a_model_gives_what_its_network_gives(model: Model) -> None:
    """Odd sizes are padded and cropped; kernels agree with the plain layers."""
    images = np.random.default_rng(0).random((1, 2, 24, 30)).astype(np.float32)
    ours = model_method(model, "ours", "cpu")
    (measured,) = measure([ours], [one_case("case", ["ADC", "FLAIR"], images)])
    with torch.inference_mode():
        expected = model.fusion_network.image(model.network(torch.from_numpy(images)))[0].numpy()
    np.testing.assert_allclose(measured.shown.made["ours"], expected, atol=1e-5)
    assert measured.shown.taken["ours"].spread is not None
    odd = one_case("odd", ["ADC", "FLAIR"], images[..., :23, :29])
    assert measure([ours], [odd])[0].shown.made["ours"].shape == (1, 23, 29)
    assert FUSION_TIME in measured.rows[0].values


def test_several_threads_measure_the_same(model: Model, case: EvaluationCase) -> None:
    methods = [*fusion_rules(), model_method(model, "ours", "cpu")]
    (alone,) = measure(methods, [case])
    torch.set_num_threads(3)
    try:
        (together,) = measure(methods, [case])
    finally:
        torch.set_num_threads(1)
    for first, second in zip(alone.rows, together.rows, strict=True):
        assert (first.method, first.label) == (second.method, second.label)
        for found, value in first.values.items():
            if found.group != "time":
                assert second.values[found] == pytest.approx(value, abs=1e-5), found
