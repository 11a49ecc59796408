"""What a reader of MRI expects to be brighter than what."""

import numpy as np
import pytest

from InvertibleFusionLib.phantom import Tissue

CSF, GREY, WHITE = Tissue.VENTRICLE, Tissue.GREY_MATTER, Tissue.WHITE_MATTER
OEDEMA, RIM, CORE, FAT, SKULL = Tissue.OEDEMA, Tissue.TUMOUR_RIM, Tissue.TUMOUR_CORE, Tissue.FAT, Tissue.SKULL

DARK_TO_BRIGHT = [
    ("T1", [CSF, GREY, WHITE, FAT]),
    ("T1", [SKULL, GREY]),
    ("T1", [CORE, RIM, WHITE]),
    ("T1Gd", [CORE, OEDEMA, WHITE, RIM]),
    ("T2", [WHITE, GREY, RIM, OEDEMA, CSF]),
    ("T2", [RIM, CORE]),
    ("PD", [WHITE, GREY]),
    ("FLAIR", [CSF, WHITE, GREY, RIM, OEDEMA]),
    ("FLAIR", [CORE, RIM]),
    ("DWI", [CSF, WHITE, RIM]),
    ("DWI", [CORE, RIM]),
    ("ADC", [RIM, WHITE, OEDEMA, CORE, CSF]),
    ("PET", [CSF, WHITE, GREY, RIM]),
    ("PET", [CORE, RIM]),
]


@pytest.mark.parametrize(("contrast", "order"), DARK_TO_BRIGHT)
def test_tissues_are_as_bright_as_a_reader_expects(scan, contrast, order):
    brightness = [scan.median(contrast, tissue) for tissue in order]
    assert brightness == sorted(brightness)
    assert len(set(brightness)) == len(brightness)


def test_contrast_medium_makes_the_sinus_bright_and_flow_leaves_it_dark_elsewhere(patient):
    def brightness(contrast, tissue):
        return patient.scanner.sequences[contrast].brightness()[tissue]

    assert brightness("T1Gd", Tissue.VEIN) > brightness("T1Gd", WHITE)
    for contrast in ("T1", "T2", "FLAIR"):
        assert brightness(contrast, Tissue.VEIN) < brightness(contrast, GREY)


def test_fluid_is_nearly_black_in_flair(scan):
    assert scan.median("FLAIR", CSF) < 0.15 * scan.median("FLAIR", WHITE)


def test_a_reader_would_take_the_proportions_for_a_head(scan):
    labels = scan.volumes["labels"].array
    share = {tissue: np.mean(labels[labels > 0] == tissue) for tissue in Tissue}
    assert 0.15 < share[GREY] < 0.45
    assert 0.15 < share[WHITE] + share[OEDEMA] < 0.45
    assert 0.03 < share[Tissue.CEREBROSPINAL_FLUID] < 0.2
    assert share[SKULL] > 0.03


def test_pet_is_blurred_to_the_point_spread(scan):
    pet = scan.volumes["PET"]
    assert pet.array.dtype == np.float32
    inside = scan.volumes["labels"].array == Tissue.TUMOUR_RIM
    assert 9 < pet.array[inside].mean() < 15  # the rim holds 17, and is thinner than the blur is wide
