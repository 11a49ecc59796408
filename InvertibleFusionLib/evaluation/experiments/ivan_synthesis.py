"""Synthesis in "Variable Augmented Network for Invertible Modality Synthesis-Fusion": its tables I, II, V and VI."""

from dataclasses import replace

from InvertibleFusionLib.evaluation.experiments.definition import Column, Experiment, Learner, Part
from InvertibleFusionLib.models.baselines.synthesis_baseline import SynthesisBaselineConfiguration
from InvertibleFusionLib.models.ivan import PRESETS
from InvertibleFusionLib.training.ivan_objective import IvanLoss
from InvertibleFusionLib.training.synthesis_baseline_objective import SynthesisBaselineLoss

BRAINWEB_TRAINING, BRAINWEB_VALIDATION = ("brainweb-training",), ("brainweb-validation",)
BRAINWEB = (
    "The paper has volumes of BrainWeb's simulator. Simulated here from the same anatomical model by the spin-echo "
    "equation: six parameter sets and two slabs to learn from, a seventh set with 0.5 % noise and another slab to "
    "measure on, the target always by the same times. Published figures depend on noise and parameters that the paper "
    "does not state. The noise oracle, the target's mean over its noise, is the best in the mean square that can be "
    "reached here: no source tells the noise itself. Figures are of whole slices; much of them is air, where nothing "
    "but the noise's mean is to be learnt."
)
PET = (
    "The paper has T1, T2 and PET of the Harvard atlas; no case with all three is to be had here. Taken instead: T1 "
    "and PET of a single patient, the middle of the head measured and the slices below and above learnt from. It says "
    "nothing of other patients."
)
COLUMNS = (
    Column("PSNR", ("PSNR, dB",), digits=2),
    Column("SSIM", ("SSIM",), digits=4),
    Column("NMSE", ("NMSE",), False, 4),
)
COLOURS = ("PET-R", "PET-G", "PET-B")
COLOUR_COLUMNS = tuple(
    Column(symbol, tuple(name.format(colour) for colour in COLOURS), higher, digits, remark)
    for symbol, name, higher, digits, remark in (
        (
            "PSNR",
            "PSNR of {}, dB",
            True,
            2,
            "means over red, green and blue, as all figures; how the paper counts colours it does not say.",
        ),
        ("SSIM", "SSIM of {}", True, 4, ""),
        ("NMSE", "NMSE of {}", False, 4, ""),
    )
)
SMALL = "4 blocks of growth 8 instead of 8 of 32: 1/28 of the work."
QUICKLY = 5e-3
"""The learning rate of so small an iVAN: in 400 steps the published 1e-4 does not leave the start."""
PIX2PIX = SynthesisBaselineLoss(deceive=0.01)
"""The adversarial part, 1 beside 100 in the paper."""


def row(peak: float, similarity: float, error: float) -> dict[str, float]:
    """One published row."""
    return {"PSNR": peak, "SSIM": similarity, "NMSE": error}


def ivan(
    inputs: tuple[int, ...], outputs: tuple[int, ...] = (1,), name: str = "iVAN", loss: IvanLoss | None = None
) -> Learner:
    """The iVAN that a CPU can train."""
    return Learner(name, replace(PRESETS["small"], inputs=inputs, outputs=outputs), loss, QUICKLY, note=SMALL)


def unets(inputs: tuple[int, ...], outputs: tuple[int, ...] = (1,)) -> tuple[Learner, Learner]:
    """A U-Net taught by absolute differences, and pix2pix."""
    network = SynthesisBaselineConfiguration("unet", inputs, outputs)
    return (
        Learner("Pix2pix", network, PIX2PIX, 5e-4, (0.5, 0.999), "MONAI's BasicUNet and PatchDiscriminator, reduced."),
        Learner("U-Net, L1", network, note="MONAI's BasicUNet, reduced width."),
    )


def from_t1_and_pd(learners: tuple[Learner, ...]) -> Part:
    """T1 + PD → T2, with these networks."""
    published = {"Hi-Net": row(40.5888, 0.9981, 0.0008), "iVAN": row(43.3214, 0.9970, 0.0004)}
    return _brainweb(("T1", "PD"), learners, published)


def table_1() -> Experiment:
    """T2 from T1, and from T1 and PD."""
    published = {
        "Pix2pix": row(36.6990, 0.9926, 0.0021),
        "cycleGAN": row(35.6997, 0.9921, 0.0019),
        "Hi-Net": row(35.6482, 0.9911, 0.0002),
        "iVAN": row(39.4183, 0.9935, 0.0012),
    }
    hi_net = Learner("Hi-Net", SynthesisBaselineConfiguration("hi-net"), note="Reduced width, without discriminator.")
    single = _brainweb(("T1",), (ivan((1,)), *unets((1,))), published)
    double = from_t1_and_pd((ivan((1, 1)), hi_net, *unets((1, 1))))
    remark = (
        "CycleGAN is not trained here; Hi-Net takes two sources and is not trained on one. Its published NMSE of "
        "0.0002 from T1 does not go with its PSNR."
    )
    return Experiment("ivan-table1", "T2 from T1, and from T1 and PD", (single, double), 90, 6000, remark)


def table_2() -> Experiment:
    """PET from T1."""
    published = {"iVAN": row(21.6115, 0.7047, 0.1073), "iVAN, T1 + T2 → PET": row(23.2171, 0.7258, 0.0723)}
    learners = (ivan((1,), (3,)), *unets((1,), (3,)))
    return Experiment("ivan-table2", "PET from T1", (_pet(("MRI",), learners, published),), 120, 4000)


def table_5() -> Experiment:
    """Squared or absolute differences."""
    learners = (
        ivan((1, 1), name="iVAN, L2"),
        ivan((1, 1), name="iVAN, L1", loss=IvanLoss(distance="absolute")),
    )
    published = {"iVAN, L2": row(43.3214, 0.9970, 0.0004), "iVAN, L1": row(42.0547, 0.9984, 0.0006)}
    part = replace(from_t1_and_pd(learners), published=published)
    return Experiment("ivan-table5", "squared or absolute differences", (part,), 150, 6000)


def table_6() -> Experiment:
    """Three channels or six for PET in colour."""
    three = _pet(("MRI",), (ivan((1,), (3,), "iVAN, 3-channel"),), {})
    again = "MRI again"
    six = _pet(("MRI", again), (ivan((1, 1), (3,), "iVAN, 6-channel"),), {})
    remark = (
        "The paper's six channels are T1 and T2, three times each. Without a T2 the six channels here are T1 given "
        "twice: this tests the channels alone."
    )
    parts = (
        replace(three, published={"iVAN, 3-channel": row(22.0593, 0.6915, 0.0943)}),
        replace(six, published={"iVAN, 6-channel": row(23.2171, 0.7258, 0.0723)}, sets=("MRI", "MRI", *COLOURS)),
    )
    return Experiment(
        "ivan-table6", "three channels or six", parts, 150, 4000, remark, ("iVAN, 6-channel", "iVAN, 3-channel")
    )


def pet_part(learners: tuple[Learner, ...]) -> Part:
    """T1 → PET, with these networks."""
    return _pet(("MRI",), learners, {})


def _brainweb(sources: tuple[str, ...], learners: tuple[Learner, ...], published: dict[str, dict[str, float]]) -> Part:
    return Part(
        f"{' + '.join(sources)} → T2, simulated",
        sources,
        COLUMNS,
        learners,
        BRAINWEB_TRAINING,
        BRAINWEB_VALIDATION,
        BRAINWEB,
        targets=("T2",),
        published=published,
        oracle=True,
    )


def _pet(sources: tuple[str, ...], learners: tuple[Learner, ...], published: dict[str, dict[str, float]]) -> Part:
    return Part(
        f"{' + '.join(sources)} → PET in colour",
        sources,
        COLOUR_COLUMNS,
        learners,
        ("harvard-pet-below", "harvard-pet-above"),
        ("harvard-pet-middle",),
        PET,
        targets=COLOURS,
        published=published,
    )
