"""The tissues of the phantom head and what a scanner sees of them."""

from dataclasses import dataclass
from enum import IntEnum


class Tissue(IntEnum):
    """Label values. Ventricles are cerebrospinal fluid too, labelled apart because they are so easily recognised."""

    AIR = 0
    CEREBROSPINAL_FLUID = 1
    GREY_MATTER = 2
    WHITE_MATTER = 3
    DEEP_GREY_MATTER = 4
    VENTRICLE = 5
    SKULL = 6
    MARROW = 7
    FAT = 8
    MUSCLE = 9
    SKIN = 10
    EYE = 11
    VEIN = 12
    OEDEMA = 13
    TUMOUR_RIM = 14
    TUMOUR_CORE = 15


@dataclass(frozen=True)
class TissueProperties:
    """What the signal equations need to know of one tissue, at 1.5 tesla.

    Attributes:
        proton_density: relative to water, in [0, 1].
        t1: longitudinal relaxation time in ms.
        t2: transverse relaxation time in ms.
        t1_with_gadolinium: longitudinal relaxation time in ms some minutes after the contrast medium.
        diffusion: apparent diffusion coefficient in 1e-6 mm²/s.
        uptake: of FDG, as a standardised uptake value.
        fatty: fat suppression silences it.
    """

    proton_density: float
    t1: float
    t2: float
    t1_with_gadolinium: float
    diffusion: float
    uptake: float
    fatty: bool = False


TISSUES: dict[Tissue, TissueProperties] = {
    Tissue.AIR: TissueProperties(0, 1000, 1000, 1000, 0, 0),
    Tissue.CEREBROSPINAL_FLUID: TissueProperties(1.0, 4500, 2200, 4500, 3000, 0.6),
    Tissue.GREY_MATTER: TissueProperties(0.86, 833, 83, 800, 830, 9.0),
    Tissue.WHITE_MATTER: TissueProperties(0.77, 500, 70, 495, 720, 3.5),
    Tissue.DEEP_GREY_MATTER: TissueProperties(0.83, 740, 76, 715, 760, 8.5),
    Tissue.VENTRICLE: TissueProperties(1.0, 4500, 2200, 4500, 3000, 0.6),
    Tissue.SKULL: TissueProperties(0.05, 100, 10, 100, 100, 0.5),
    Tissue.MARROW: TissueProperties(0.5, 450, 55, 440, 300, 1.0, fatty=True),
    Tissue.FAT: TissueProperties(1.0, 350, 70, 350, 50, 0.4, fatty=True),
    Tissue.MUSCLE: TissueProperties(0.9, 900, 47, 750, 1400, 1.0),
    Tissue.SKIN: TissueProperties(0.6, 700, 35, 550, 1200, 0.9),
    Tissue.EYE: TissueProperties(1.0, 4000, 1500, 4000, 2800, 0.4),
    Tissue.VEIN: TissueProperties(0.8, 1200, 30, 150, 1500, 2.0),
    Tissue.OEDEMA: TissueProperties(0.88, 1250, 160, 1220, 1450, 2.6),
    Tissue.TUMOUR_RIM: TissueProperties(0.86, 1150, 110, 380, 620, 17.0),
    Tissue.TUMOUR_CORE: TissueProperties(0.95, 2900, 400, 2600, 2300, 1.2),
}
"""Where the numbers come from.

- Proton density, T1 and T2 of grey matter, white matter and fat: the BrainWeb table for 1.5 T (Kwan, Evans, Pike:
  MRI simulation-based evaluation of image-processing and classification methods, IEEE Trans. Med. Imaging 18, 1999).
  Muscle has its T1 and T2, and a proton density of 0.9 for its 1.0.
- Cerebrospinal fluid and skull: the brain phantom of MRiLab (Liu et al., Fast realistic MRI simulations based on
  generalized multi-pool exchange tissue model, IEEE Trans. Med. Imaging 36, 2017). BrainWeb's own T1 of the fluid,
  2569 ms, would be nulled at a shorter inversion time than is usual at these repetition times.
- All else (deep grey matter, marrow, skin, eye, veins, oedema, tumour, gadolinium, diffusion, uptake): typical values
  chosen for the phantom, so that each contrast shows what a reader expects of it. Not for quantitative claims.
"""
