"""Every metric with what a table has to say of it: name, symbol, which way is better, where it comes from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from numpy.typing import ArrayLike

from InvertibleFusionLib.metrics import (
    feature_mutual_information,
    gradient_preservation,
    information,
    perceptual,
    piella,
    reference_quality,
)


@dataclass(frozen=True)
class Metric:
    """One way of measuring an image.

    Attributes:
        name: in words.
        symbol: as tables print it.
        kind: ``reference`` metrics compare with what the image should be, ``fusion`` metrics with the sources;
            ``image`` metrics do not compare.
        higher_is_better: as it is read in the literature. Noise raises all ``image`` metrics: higher is not better of
            every image.
        source: who proposed it, or its formula.
        function: computes it.
        unit: of the value; empty for plain numbers.
    """

    name: str
    symbol: str
    kind: Literal["reference", "fusion", "image"]
    higher_is_better: bool
    source: str
    function: Callable[..., float]
    unit: str = ""

    @property
    def takes_mask(self) -> bool:
        """Whether it can be measured inside a mask."""
        return "mask" in signature(self.function).parameters

    def measure(
        self,
        image: ArrayLike,
        others: ArrayLike | Sequence[ArrayLike],
        *,
        data_range: float = 1.0,
        mask: ArrayLike | None = None,
    ) -> float:
        """The value of an image, (rows, columns), or a volume, (slices, rows, columns).

        Args:
            image: what is measured.
            others: the target of a ``reference`` metric, the list of sources of the others (not used by ``image``).
            data_range: the span of possible values.
            mask: nonzero where to measure.

        Raises:
            ValueError: as the function, and for a mask where the metric takes none.
        """
        if mask is not None and not self.takes_mask:
            raise ValueError(f"{self.symbol} is measured on whole images; it takes no mask.")
        given: dict[str, Any] = {"data_range": data_range, "mask": mask}
        options = {name: value for name, value in given.items() if name in signature(self.function).parameters}
        return self.function(image, **options) if self.kind == "image" else self.function(image, others, **options)


FUSION_METRICS = (
    Metric(
        "normalised mutual information with the sources",
        "Q_MI",
        "fusion",
        True,
        "Hossny et al. 2008",
        information.normalised_mutual_information,
    ),
    Metric(
        "gradients preserved from the sources",
        "Q_AB/F",
        "fusion",
        True,
        "Xydeas and Petrović 2000",
        gradient_preservation.gradient_preservation,
    ),
    Metric(
        "Piella's quality index (Q_AB/F in the iVAN paper)",
        "Q_P",
        "fusion",
        True,
        "Piella and Heijmans 2003",
        piella.piella_quality,
    ),
    Metric(
        "feature mutual information, pixels",
        "FMI",
        "fusion",
        True,
        "Haghighat et al. 2011",
        feature_mutual_information.feature_mutual_information,
    ),
    Metric(
        "nonlinear correlation information entropy",
        "NCIE",
        "fusion",
        True,
        "Wang et al. 2008",
        information.nonlinear_correlation_information_entropy,
    ),
    Metric("entropy", "EN", "image", True, "Shannon 1948", information.entropy, "bits"),
    Metric(
        "average gradient",
        "AG",
        "image",
        True,
        "Cui et al. 2015",
        gradient_preservation.average_gradient,
        "grey levels of 255",
    ),
    Metric(
        "spatial frequency",
        "SF",
        "image",
        True,
        "Eskicioglu and Fisher 1995",
        gradient_preservation.spatial_frequency,
        "grey levels of 255",
    ),
)
"""Of fused images: the first argument is the fused image, the second the list of its sources."""

REFERENCE_METRICS = (
    Metric(
        "structural similarity",
        "SSIM",
        "reference",
        True,
        "Wang et al. 2004",
        reference_quality.mean_structural_similarity,
    ),
    Metric(
        "peak signal-to-noise ratio",
        "PSNR",
        "reference",
        True,
        "10·log10(R² / MSE)",
        reference_quality.peak_signal_to_noise_ratio,
        "dB",
    ),
    Metric(
        "normalised mean squared error",
        "NMSE",
        "reference",
        False,
        "Σ error² / Σ target²",
        reference_quality.normalised_mean_squared_error,
    ),
    Metric(
        "normalised root mean squared error",
        "NRMSE",
        "reference",
        False,
        "√NMSE",
        reference_quality.normalised_root_mean_squared_error,
    ),
    Metric(
        "visual information fidelity, pixels",
        "VIF",
        "reference",
        True,
        "Sheikh and Bovik 2006",
        perceptual.visual_information_fidelity,
    ),
)
"""Of results that have a target: the first argument is the result, the second the target. See also ``lpips``."""


def lpips(weights: Path | None) -> Metric:
    """The learned perceptual distance as one more reference metric; its network's weights come from a file.

    Raises:
        ModelFileError: as ``perceptual.load_lpips``.
    """
    distance = perceptual.load_lpips(weights)
    name = "learned perceptual image patch similarity, AlexNet"
    return Metric(name, "LPIPS", "reference", False, "Zhang et al. 2018", distance)
