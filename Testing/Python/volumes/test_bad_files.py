"""What a user gets for a file that is missing, cut, damaged or not what its name says: one sentence, never zeros."""

import gzip
import math
import os
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import UnreadableFileError, UnsuitableVolumeError

NRRD = """NRRD0004
type: short
dimension: 3
space: left-posterior-superior
sizes: 2 2 2
space directions: {}
endian: little
encoding: raw
{}
"""
META = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 0 0 0
ElementSpacing = 1 1 1
DimSize = 2 2 2
ElementType = MET_SHORT
ElementDataFile = LOCAL
"""


@pytest.fixture
def array(rng):
    return rng.integers(1, 30000, (6, 7, 8)).astype(np.int16)


def cut(path, left):
    """Keeps the first ``left`` bytes; counted from the end where negative."""
    content = path.read_bytes()
    assert left < len(content)
    path.write_bytes(content[:left])
    return path


def volume_or_refusal(path):
    try:
        return Volume.read(path)
    except (UnreadableFileError, UnsuitableVolumeError) as error:
        return error


# Missing, empty, of another kind


@pytest.mark.parametrize("name", ["nothing.nii.gz", "no folder/a.nrrd", "a folder that is not there", "T1 é.mha"])
def test_a_missing_file_is_called_missing(name, tmp_path, refused):
    refused(tmp_path / name, "There is no file", "Check")


@pytest.mark.parametrize("ending", [".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd"])
def test_an_empty_file_is_called_empty(ending, tmp_path, refused):
    (tmp_path / f"a{ending}").touch()
    refused(tmp_path / f"a{ending}", "0 bytes", "again")


@pytest.mark.parametrize(
    "text", ["Dear colleague,\nsee attachment.\n" * 40, "x", "a = b\n" * 90], ids=["letter", "x", "a=b"]
)
@pytest.mark.parametrize("ending", [".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd"])
def test_a_text_file_under_an_image_s_name_is_found_out(ending, text, tmp_path, refused):
    (tmp_path / f"a{ending}").write_text(text)
    refused(tmp_path / f"a{ending}", "not a", "again")


@pytest.mark.parametrize("ending", [".nrrd", ".nii", ".nii.gz", ".mha", ".mhd"])
def test_random_bytes_are_no_image(ending, tmp_path, rng, refused):
    (tmp_path / f"a{ending}").write_bytes(rng.bytes(5000))
    refused(tmp_path / f"a{ending}", "again")


@pytest.mark.parametrize("name", ["scan.png", "scan.img", "scan", "model.safetensors", "slice.dcm"])
def test_an_unknown_type_is_refused_with_those_that_are_known(name, tmp_path, refused):
    (tmp_path / name).write_bytes(b"x" * 1000)
    refused(tmp_path / name, ".nrrd, .nhdr, .nii.gz, .nii, .mha, .mhd", "DICOM series")


@pytest.mark.parametrize(
    ("wrong", "right"), [(".nii", ".nrrd"), (".nrrd", ".nii"), (".mha", ".nii.gz"), (".nii.gz", ".mha")]
)
def test_a_file_renamed_to_another_type_is_refused(wrong, right, array, tmp_path, write_image, refused):
    write_image(tmp_path / f"a{right}", array)
    (tmp_path / f"a{right}").rename(tmp_path / f"b{wrong}")
    refused(tmp_path / f"b{wrong}", "not a", "again")


def test_a_name_too_long_for_the_disk_is_refused(tmp_path, refused):
    refused(tmp_path / ("x" * 300 + ".nii"), "too long", "Check")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_refused(array, tmp_path, write_image, refused):
    write_image(tmp_path / "a.nii", array)
    (tmp_path / "a.nii").chmod(0)
    refused(tmp_path / "a.nii", "ermission", "Check")


# Cut


@pytest.mark.parametrize("left", [1, 4, 100, 347, 348, 360, 700, -400, -100, -1])
def test_the_lost_end_of_a_nifti_is_not_read_as_zeros(left, array, tmp_path, write_image, refused):
    write_image(tmp_path / "ADC.nii", array)
    size = (tmp_path / "ADC.nii").stat().st_size
    bytes_left = left if left > 0 else size + left
    message = refused(cut(tmp_path / "ADC.nii", left), "again")
    if bytes_left >= 348:
        assert f"cut short: {bytes_left} bytes of the {size} " in message


def test_the_lost_end_of_a_tiny_nifti_is_not_read_as_zeros(tmp_path, nifti_bytes, refused):
    content = nifti_bytes(np.arange(8).reshape(2, 2, 2))
    for left in range(352, len(content)):
        (tmp_path / "a.nii").write_bytes(content[:left])
        refused(tmp_path / "a.nii", f"{left} bytes of the {len(content)} ")


@pytest.mark.parametrize("share", [0.01, 0.1, 0.35, 0.5, 0.75, 0.9, 0.99])
def test_the_lost_end_of_a_compressed_nifti_is_not_read_as_zeros(share, array, tmp_path, write_image, refused):
    write_image(tmp_path / "ADC.nii.gz", array)
    size = (tmp_path / "ADC.nii.gz").stat().st_size
    refused(cut(tmp_path / "ADC.nii.gz", max(int(share * size), 2)), "cut short", "stop in the middle", "again")


@pytest.mark.parametrize("lost", range(1, 9))
def test_not_even_the_checksum_of_a_compressed_nifti_may_be_missing(lost, array, tmp_path, write_image, refused):
    write_image(tmp_path / "ADC.nii.gz", array)
    refused(cut(tmp_path / "ADC.nii.gz", -lost), "cut short", "again")


@pytest.mark.parametrize("lost", [1, 100, 600])
def test_a_sound_gzip_of_too_few_voxels_is_refused(lost, array, tmp_path, nifti_bytes, refused):
    content = nifti_bytes(array)
    (tmp_path / "ADC.nii.gz").write_bytes(gzip.compress(content[:-lost]))
    refused(tmp_path / "ADC.nii.gz", f"{len(content) - lost} bytes of the {len(content)} ", "cut short")


def test_a_nifti_in_several_gzip_members_is_whole(array, tmp_path, nifti_bytes):
    content = nifti_bytes(array)
    (tmp_path / "a.nii.gz").write_bytes(b"".join(gzip.compress(content[at : at + 200]) for at in range(0, 2000, 200)))
    np.testing.assert_array_equal(Volume.read(tmp_path / "a.nii.gz").array, array)


@pytest.mark.parametrize("left", [3, 50, 300, -672, -400, -100, -1])
def test_a_cut_nrrd_is_refused(left, array, tmp_path, write_image, refused):
    write_image(tmp_path / "ADC.nrrd", array)
    message = refused(cut(tmp_path / "ADC.nrrd", left), "again")
    if left > -672 and left < 0:
        assert f"cut short: {672 + left} bytes of voxels, its header announces 672" in message


@pytest.mark.parametrize("left", [50, 300, -400, -200, -20, -8, -1])
def test_a_cut_compressed_nrrd_is_refused(left, array, tmp_path, write_image, refused):
    write_image(tmp_path / "ADC.nrrd", array, compress=True)
    assert b"encoding: gz" in (tmp_path / "ADC.nrrd").read_bytes()
    refused(cut(tmp_path / "ADC.nrrd", left), "cut short", "again")


@pytest.mark.parametrize("left", [50, 200, -600, -100, -1])
@pytest.mark.parametrize("compress", [False, True])
def test_a_cut_metaimage_is_refused(left, compress, array, tmp_path, write_image, refused):
    write_image(tmp_path / "ADC.mha", array, compress=compress)
    message = refused(cut(tmp_path / "ADC.mha", left), "cut short", "again")
    if left == -100 and not compress:
        assert "572 bytes of voxels, its header announces 672" in message


@pytest.mark.parametrize(
    ("ending", "raw"), [(".mhd", ".raw"), (".nhdr", ".raw"), (".mhd", ".zraw"), (".nhdr", ".raw.gz")]
)
def test_a_header_without_its_raw_file_is_refused(ending, raw, array, tmp_path, write_image, refused):
    write_image(tmp_path / f"ADC{ending}", array, compress="z" in raw)
    (tmp_path / f"ADC{raw}").unlink()
    refused(tmp_path / f"ADC{ending}", f"ADC{raw}", "missing beside it", "Copy")


@pytest.mark.parametrize(
    ("ending", "raw"), [(".mhd", ".raw"), (".nhdr", ".raw"), (".mhd", ".zraw"), (".nhdr", ".raw.gz")]
)
def test_a_header_whose_raw_file_is_short_is_refused(ending, raw, array, tmp_path, write_image, refused):
    write_image(tmp_path / f"ADC{ending}", array, compress="z" in raw)
    cut(tmp_path / f"ADC{raw}", -100)
    message = refused(tmp_path / f"ADC{ending}", "cut short", "again", name=f"ADC{raw}")
    if raw == ".raw":
        assert "572 bytes of voxels, its header announces 672" in message


# Damaged


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nii.gz"])
def test_damaged_compressed_voxels_are_not_read_as_they_come(ending, array, tmp_path, write_image, refused):
    write_image(tmp_path / f"ADC{ending}", array, compress=True)
    content = (tmp_path / f"ADC{ending}").read_bytes()
    for back in (9, 40, 200, 400):
        damaged = bytearray(content)
        damaged[-back] ^= 0x55
        (tmp_path / f"ADC{ending}").write_bytes(damaged)
        refused(tmp_path / f"ADC{ending}", "again")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offset": math.nan}, "byte nan"),
        ({"offset": math.inf}, "byte inf"),
        ({"offset": 0}, "byte 0"),
        ({"offset": 3e38}, "byte 3e+38"),
        ({"offset": 1e6}, "cut short"),
        ({"offset": -1000}, "byte -1000"),
        ({"kind": 77}, "type 77"),
        ({"kind": 1}, "type 1"),
        ({"dim": [8, 0, 6]}, "8×0×6"),
        ({"dim": [0, 0, 0]}, "0×0×0"),
        ({"dim": [8, -7, 6]}, "-7"),
        ({"dim": [32767, 32767, 32767]}, "cut short"),
    ],
)
def test_a_damaged_nifti_header_is_told(change, words, array, tmp_path, nifti_bytes, refused):
    (tmp_path / "a.nii").write_bytes(nifti_bytes(array, **change))
    refused(tmp_path / "a.nii", words)


def test_nifti_2_is_called_by_its_name(tmp_path, refused):
    (tmp_path / "a.nii").write_bytes((540).to_bytes(4, "little") + b"n+2\0\r\n\x1a\n" + bytes(600))
    refused(tmp_path / "a.nii", "NIfTI-2", "Export it as NIfTI-1 or NRRD")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DimSize = 2 2 2", "DimSize = 2 x 2"),
        ("DimSize = 2 2 2", "DimSize = 2 2"),
        ("DimSize = 2 2 2", "DimSize = 2 0 2"),
        ("DimSize = 2 2 2", "DimSize = 2 -2 2"),
        ("DimSize = 2 2 2", "DimSize = 2000 2000 2000"),
        ("NDims = 3", "NDims ="),
        ("NDims = 3", "NDims = three"),
        ("ElementType = MET_SHORT\n", ""),
        ("ElementDataFile = LOCAL", "ElementDataFile = "),
        ("CompressedData = False", "CompressedData = True"),
        ("CompressedData = False", "CompressedData = True\nCompressedDataSize = x"),
        ("CompressedData = False", "CompressedData = True\nCompressedDataSize = "),
        ("CompressedData = False", "CompressedData = True\nCompressedDataSize = -5"),
        ("CompressedData = False", "CompressedData = True\nCompressedDataSize = 16"),
        ("CompressedData = False", "CompressedData = True\nCompressedDataSize = 1000"),
        ("DimSize", "ElementNumberOfChannels = q\nDimSize"),
        ("ElementSpacing = 1 1 1", "ElementSpacing = 0 1 1"),
        ("ElementSpacing = 1 1 1", "ElementSpacing = nan 1 1"),
        ("TransformMatrix = 1 0 0", "TransformMatrix = 0 0 0"),
    ],
)
def test_a_damaged_metaimage_header_is_told(old, new, tmp_path, refused):
    assert old in META
    (tmp_path / "whole.mha").write_bytes(META.encode() + bytes(range(16)))
    assert Volume.read(tmp_path / "whole.mha").array[0, 0, 0] == 256
    (tmp_path / "a.mha").write_bytes(META.replace(old, new).encode() + bytes(range(16)))
    refused(tmp_path / "a.mha", "again")


def test_compressed_voxels_without_their_end_are_told(tmp_path, refused):
    data = zlib.compress(bytes(range(16)))[:-3]
    header = META.replace("CompressedData = False", f"CompressedData = True\nCompressedDataSize = {len(data)}")
    (tmp_path / "a.mha").write_bytes(header.encode() + data)
    refused(tmp_path / "a.mha", f"{len(data)} bytes", "stop in the middle", "again")


def test_compressed_voxels_that_are_too_few_are_told(tmp_path, refused):
    data = zlib.compress(bytes(range(12)))
    header = META.replace("CompressedData = False", f"CompressedData = True\nCompressedDataSize = {len(data)}")
    (tmp_path / "a.mha").write_bytes(header.encode() + data)
    refused(tmp_path / "a.mha", "12 bytes of voxels", "16", "cut short")


@pytest.mark.parametrize(
    ("directions", "rest"),
    [
        ("(0,0,0) (0,1,0) (0,0,1)", ""),
        ("(0,1,0) (0,1,0) (0,0,1)", ""),
        ("(nan,0,0) (0,1,0) (0,0,1)", ""),
        ("(1,0,0) (0,1,0) (0,0,1)", "space origin: (nan,0,0)\n"),
        ("(1,0,0) (0,1,0) (0,0,1)", "line skip: -1\n"),
        ("(1,0,0) (0,1,0) (0,0,1)", "line skip: 9999999999\n"),
        ("(1,0,0) (0,1,0) (0,0,1)", "what is this\n"),
        ("(1,0,0) (0,1,0)", ""),
    ],
)
def test_a_damaged_nrrd_header_is_told(directions, rest, tmp_path, refused):
    (tmp_path / "whole.nrrd").write_bytes(NRRD.format("(1,0,0) (0,1,0) (0,0,1)", "").encode() + bytes(range(16)))
    assert Volume.read(tmp_path / "whole.nrrd").array[0, 0, 0] == 256
    (tmp_path / "a.nrrd").write_bytes(NRRD.format(directions, rest).encode() + bytes(range(16)))
    message = refused(tmp_path / "a.nrrd", "again")
    assert "[nrrd]" not in message


@pytest.mark.parametrize(
    "record", [b"", b"[1]", b"{}", b'{"result": 3}', b"\xff\xfe", b'{"result": {"name": "x"}}', b"{"]
)
def test_a_damaged_record_is_told(record, array, tmp_path, write_image, refused):
    write_image(tmp_path / "fused.nii.gz", array)
    (tmp_path / "fused.record.json").write_bytes(record)
    refused(tmp_path / "fused.nii.gz", "damaged record", "fused.record.json", "again")


# Whole, but not one volume on a regular grid


@pytest.mark.parametrize("ending", [".nrrd", ".nii", ".nii.gz", ".mha"])
def test_a_series_of_volumes_is_not_read_as_its_first(ending, array, tmp_path, refused):
    image = sitk.JoinSeries([sitk.GetImageFromArray(array)] * 3)
    sitk.WriteImage(image, str(tmp_path / f"DWI{ending}"))
    refused(tmp_path / f"DWI{ending}", "3 volumes", "8×7×6×3", "Extract", kind=UnsuitableVolumeError)


def test_a_five_dimensional_series_counts_its_volumes(array, tmp_path, nifti_bytes, refused):
    (tmp_path / "a.nii").write_bytes(nifti_bytes(array, dim=[8, 7, 1, 1, 6]))
    refused(tmp_path / "a.nii", "6 volumes", "8×7×1×1×6", kind=UnsuitableVolumeError)


def test_one_dimension_is_no_volume(array, tmp_path, nifti_bytes, refused):
    (tmp_path / "a.nii").write_bytes(nifti_bytes(array, dim=[336]))
    refused(tmp_path / "a.nii", "dimensions", "Extract")


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz"])
def test_complex_numbers_are_refused(ending, array, tmp_path, write_image, refused):
    write_image(tmp_path / f"k-space{ending}", array.astype(np.complex64))
    refused(tmp_path / f"k-space{ending}", "complex", "magnitude", kind=UnsuitableVolumeError)


def test_a_sheared_nifti_is_not_straightened(array, tmp_path, nifti_bytes, refused):
    sheared = nifti_bytes(array, sform=[[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    (tmp_path / "a.nii").write_bytes(sheared)
    refused(tmp_path / "a.nii", "right angles", "Resample")


def test_a_sheared_nrrd_is_not_straightened(tmp_path, refused):
    (tmp_path / "a.nrrd").write_bytes(NRRD.format("(1,0.3,0) (0,1,0) (0,0,1)", "").encode() + bytes(16))
    refused(tmp_path / "a.nrrd", "right angles", "Resample")


def test_a_sheared_metaimage_is_not_straightened(tmp_path, refused):
    text = META.replace("TransformMatrix = 1 0 0", "TransformMatrix = 1 0.3 0")
    (tmp_path / "a.mha").write_bytes(text.encode() + bytes(16))
    refused(tmp_path / "a.mha", "right angles", "Resample")


# Whatever else happens to a file


@pytest.mark.parametrize(("ending", "compress"), [(".nrrd", False), (".nrrd", True), (".mha", True), (".nii", False)])
def test_no_damage_to_a_header_shows_a_user_a_traceback(ending, compress, array, tmp_path, write_image, rng, capfd):
    write_image(tmp_path / f"a{ending}", array, compress=compress)
    content = (tmp_path / f"a{ending}").read_bytes()
    refusals = 0
    for _ in range(150):
        damaged = bytearray(content)
        for at in rng.integers(0, 300, rng.integers(1, 4)):
            damaged[at] = rng.integers(0, 256)
        (tmp_path / f"a{ending}").write_bytes(damaged)
        result = volume_or_refusal(tmp_path / f"a{ending}")
        if isinstance(result, Volume):
            assert result.array.ndim in (3, 4)
        else:
            assert "\n" not in str(result)
            assert f"a{ending}" in str(result)
            refusals += 1
    assert refusals > 10
    capfd.readouterr()  # here MetaIO and teem may have said something
