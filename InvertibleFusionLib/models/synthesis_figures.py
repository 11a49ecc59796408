"""What the figures of a synthesis model are called on its card, and what they say against those of simple rules."""

from InvertibleFusionLib.models.card import ModelCard

PEAK = ": PSNR"
"""Ends the name of a peak signal-to-noise ratio over whole slices."""
ORACLE = "the noise oracle"
"""Of simulated data: the target's mean over its noise, the best in the mean square that can be reached."""
CLEARLY = 1.0
"""Decibels by which a model must exceed a rule to be called clearly better."""


def synthetic(target: str) -> str:
    """The image that a model makes."""
    return f"synthetic {target}"


def copied(source: str, target: str) -> str:
    """The source itself."""
    return f"{source} in place of {target}"


def ruled(target: str, rule: str) -> str:
    """What a rule makes."""
    return f"{target} by {rule}"


def against_rules(card: ModelCard) -> list[str]:
    """For each target a sentence: its PSNR, those of the simple rules, and whether the model is clearly better.

    Nothing is said of a target for which the card has no figures of rules.
    """
    peaks = {
        str(metric["name"]).removesuffix(PEAK): float(metric["mean"])
        for metric in card.metrics
        if str(metric["name"]).endswith(PEAK) and "mean" in metric
    }
    made = {name.removeprefix(synthetic("")): peak for name, peak in peaks.items() if name.startswith(synthetic(""))}
    return [sentence for target, peak in made.items() if (sentence := _sentence(target, peak, peaks))]


def _sentence(target: str, peak: float, peaks: dict[str, float]) -> str:
    copies, made = copied("", target), ruled(target, "")
    rules = {name.removesuffix(copies): value for name, value in peaks.items() if name.endswith(copies)}
    rules |= {name.removeprefix(made): value for name, value in peaks.items() if name.startswith(made)}
    oracle = rules.pop(ORACLE, None)
    if not rules:
        return ""
    best = max(rules, key=lambda name: rules[name])
    told = ", ".join(f"{name} {value:.1f}" for name, value in rules.items())
    limit = "" if oracle is None else f"; {ORACLE} {oracle:.1f}, more cannot be reached"
    verdict = "" if peak >= rules[best] + CLEARLY else f" It is not clearly better than {best}."
    return f"PSNR of the {synthetic(target)}: {peak:.1f} dB; in its place {told}{limit}.{verdict}"
