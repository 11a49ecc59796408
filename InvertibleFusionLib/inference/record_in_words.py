"""Records as sentences for people who want to know how a result came to be."""

from collections.abc import Mapping
from typing import Any

from InvertibleFusionLib.inference.record import NOTICE

WHAT_WAS_DONE = {
    "fuse": "Fused from",
    "synthesize": "Synthesized from",
    "decompose": "Decomposed; the sources were",
}
SHOWN_SETTINGS = ("way", "reference", "samples", "seed", "certify", "device", "precision", "kernel", "batch_size")


def record_in_words(record: Mapping[str, Any]) -> str:
    """What a record says, one statement a line; what it does not say is left out."""
    model, result = record.get("model", {}), record.get("result", {})
    lines = [str(result.get("name", ""))] if result.get("name") else []
    lines.append(_what_was_done(record))
    if model:
        trained = " + ".join(model.get("trained_on", []))
        digest = str(model.get("sha256", ""))[:12]
        lines.append(f"Model {model.get('name')} (sha256 {digest}…)" + (f", trained on {trained}." if trained else "."))
    settings = record.get("settings", {})
    said = [
        f"{key.replace('_', ' ')} {settings[key]}" for key in SHOWN_SETTINGS if settings.get(key) not in (None, False)
    ]
    if said:
        lines.append(f"Settings: {', '.join(said)}.")
    if record.get("synthetic"):
        lines.append("SYNTHETIC: a network made it, no scanner.")
    if record.get("cropped_to_content"):
        lines.append(
            "Each slice was cropped to the box around what is brighter than a tenth of the scale, where anything is, "
            "with a margin; the result is 0 outside it."
        )
    if any(source.get("synthetic") for source in record.get("sources", [])):
        lines.append(
            "Not all sources came from a scanner: one was SYNTHETIC itself, and what it shows wrongly is here, too."
        )
    lines += [str(warning) for warning in record.get("warnings", [])]
    lines += [_certificate(entry) for entry in record.get("certificate", [])]
    lines.append(f"Made {record.get('created', 'at an unknown time')} with {record.get('library', 'another program')}.")
    lines.append(str(record.get("notice", NOTICE)))
    return "\n".join(lines)


def _what_was_done(record: Mapping[str, Any]) -> str:
    sources = " + ".join(map(_source, record.get("sources", [])))
    targets = " + ".join(map(_source, record.get("settings", {}).get("targets", [])))
    if targets:
        known = f"; the sources were {sources}" if sources else ""
        return f"Decomposed from the target image {targets} alone{known}."
    return f"{WHAT_WAS_DONE.get(str(record.get('task')), 'Made from')} {sources or 'not known'}."


def _source(source: Mapping[str, Any]) -> str:
    name, resampled = str(source.get("name")), source.get("resampled")
    if source.get("synthetic") and "SYNTHETIC" not in name:
        name = f"SYNTHETIC {name}"
    if not resampled:
        return name
    return f"{name} (resampled onto {resampled.get('onto')}, {resampled.get('coverage', 0):.0%} covered)"


def _certificate(entry: Mapping[str, Any]) -> str:
    if entry.get("bit_for_bit"):
        return f"Certified: {entry.get('source')} comes back bit for bit."
    return f"Not certified: {entry.get('source')} has fractional values."
