import pytest

from InvertibleFusionLib import decompose, fuse
from InvertibleFusionLib.inference.record_in_words import record_in_words
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.volumes.volume import Volume


@pytest.fixture(autouse=True)
def _no_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("InvertibleFusionLib.inference.plan.numba_works", lambda: False)


def test_a_record_tells_sources_model_settings_and_the_notice(model: Model, sources: list[Volume]) -> None:
    fusion = fuse(model, sources)
    said = record_in_words(fusion.image.record or {})
    assert said.startswith("fused ADC + FLAIR\nFused from ADC + FLAIR.\nModel for-tests (sha256 ")
    assert "trained on ADC + FLAIR." in said
    assert "precision float32, kernel products, batch size 1." in said
    assert said.endswith("Research use only. Not certified for diagnosis.")
    seen = decompose(model, fusion.image, samples=2, seed=4)
    assert "samples 2, seed 4" in record_in_words(seen.record)


def test_resampling_and_synthesis_are_said() -> None:
    record = {
        "task": "synthesize",
        "synthetic": True,
        "sources": [{"name": "T1", "resampled": {"onto": "T2", "coverage": 0.92}}, {"name": "T2", "resampled": None}],
        "warnings": ["Other contrasts."],
        "certificate": [{"source": "T1", "bit_for_bit": True}, {"source": "T2", "bit_for_bit": False}],
    }
    said = record_in_words(record)
    assert "Synthesized from T1 (resampled onto T2, 92% covered) + T2." in said
    assert "SYNTHETIC: a network made it, no scanner." in said
    assert "Other contrasts." in said
    assert "Certified: T1 comes back bit for bit." in said
    assert "Not certified: T2" in said


def test_a_source_that_was_synthetic_is_told_under_any_name(model: Model, sources: list[Volume]) -> None:
    made = Volume.on_grid(sources[1].array, sources[1].grid, name="FLAIR", record={"synthetic": True})
    record = fuse(model, [sources[0], made]).image.record or {}
    assert [source["synthetic"] for source in record["sources"]] == [False, True]
    said = record_in_words(record)
    assert "Fused from ADC + SYNTHETIC FLAIR." in said
    assert "one was SYNTHETIC itself" in said
    assert "SYNTHETIC" not in record_in_words(fuse(model, sources).image.record or {})


def test_an_empty_record_gives_no_invented_facts() -> None:
    assert record_in_words({}).split("\n") == [
        "Made from not known.",
        "Made at an unknown time with another program.",
        "Research use only. Not certified for diagnosis.",
    ]
