"""What the figures of a synthesis model are called on its card, and what they say against those of simple rules."""

from typing import NamedTuple

from InvertibleFusionLib.models.card import ModelCard

PEAK = ": PSNR"
"""Ends the name of a peak signal-to-noise ratio over whole slices."""
SIMILARITY = ": SSIM"
"""Ends the name of a structural similarity, likewise."""
IN_LESION = " inside the lesion"
"""Ends the name of either where it is measured there alone."""
ORACLE = "the noise oracle"
"""Of simulated data: the target's mean over its noise, the best in the mean square that can be reached."""
NOISE_FREE = "the noise-free signal"
"""Of simulated data: the target before it got its noise; in air below the noise's mean, which can be learnt."""
LIMIT = {NOISE_FREE: "", ORACLE: ", more cannot be reached"}
"""What is no rule to beat, and what is said of it."""
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


class _Compared(NamedTuple):
    """One measure of a model's image, and of what stands in its place, by name."""

    model: float
    copies: dict[str, float]
    fitted: dict[str, float]
    without_noise: dict[str, float]

    def not_beaten(self, by: float) -> dict[str, float]:
        """The rules that the model does not exceed by so much (by 0: at all), with names that end a sentence."""
        rules = {f"a copy of {source}": value for source, value in self.copies.items()} | self.fitted
        return {name: value for name, value in rules.items() if self.model < value + by or self.model <= value}


def against_rules(card: ModelCard) -> list[str]:
    """For each target a sentence: its PSNR, those of the simple rules, and whether the model is clearly better.

    Further sentences name the rules than which it is no better in SSIM, not clearly better in PSNR inside the lesion,
    or no better in SSIM there. Nothing is said of what the card has no figures of, for the model or for rules.
    """
    figures = {str(metric["name"]): float(metric["mean"]) for metric in card.metrics if "mean" in metric}
    made = synthetic("")
    targets = [
        name[len(made) :].removesuffix(PEAK) for name in figures if name.startswith(made) and name.endswith(PEAK)
    ]
    told = [
        sentence(target, figures) for target in targets for sentence in (_of_peaks, _of_similarities, _of_the_lesion)
    ]
    return [sentence for sentence in told if sentence]


def _of_peaks(target: str, figures: dict[str, float]) -> str:
    compared = _compared(target, PEAK, figures)
    if compared is None:
        return ""
    told = ", ".join(f"{name} {value:.1f}" for name, value in (compared.copies | compared.fitted).items())
    limits = "".join(f"; {name} {value:.1f}{LIMIT[name]}" for name, value in compared.without_noise.items())
    better = compared.not_beaten(by=CLEARLY)
    verdict = f" It is not clearly better than {max(better, key=lambda name: better[name])}." if better else ""
    return f"PSNR of the {synthetic(target)}: {compared.model:.1f} dB; in its place {told}{limits}.{verdict}"


def _of_similarities(target: str, figures: dict[str, float]) -> str:
    compared = _compared(target, SIMILARITY, figures)
    if compared is None or not (better := compared.not_beaten(by=0)):
        return ""
    return f"Its SSIM, {compared.model:.3f}, is no better than that of {_listed(better, 3)}."


def _of_the_lesion(target: str, figures: dict[str, float]) -> str:
    said = []
    peaks = _compared(target, PEAK + IN_LESION, figures)
    if peaks and (better := peaks.not_beaten(by=CLEARLY)):
        said.append(f"its PSNR, {peaks.model:.1f} dB, is not clearly better than that of {_listed(better, 1)}")
    similarities = _compared(target, SIMILARITY + IN_LESION, figures)
    if similarities and (better := similarities.not_beaten(by=0)):
        said.append(f"its SSIM, {similarities.model:.3f}, is no better than that of {_listed(better, 3)}")
    return f"Inside the lesion {', and '.join(said)}." if said else ""


def _compared(target: str, measure: str, figures: dict[str, float]) -> _Compared | None:
    """A measure of the target and of the rules; None without either."""
    of = {name.removesuffix(measure): value for name, value in figures.items() if name.endswith(measure)}
    copy, rule = copied("", target), ruled(target, "")
    copies = {name.removesuffix(copy): value for name, value in of.items() if name.endswith(copy)}
    fitted = {name.removeprefix(rule): value for name, value in of.items() if name.startswith(rule)}
    without_noise = {name: fitted.pop(name) for name in LIMIT if name in fitted}
    model = of.get(synthetic(target))
    return _Compared(model, copies, fitted, without_noise) if model is not None and (copies or fitted) else None


def _listed(rules: dict[str, float], digits: int) -> str:
    return " and ".join(f"{name} ({value:.{digits}f})" for name, value in rules.items())
