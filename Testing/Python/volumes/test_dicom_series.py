import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import UnsuitableVolumeError

SHAPE = (6, 5, 4)


@pytest.fixture
def array(rng):
    return rng.integers(-1000, 2000, SHAPE).astype(np.int16)


def set_rescale_slope(path, text):
    """Overwrites the two characters of Rescale Slope in a file of implicit VR, as GDCM writes here."""
    content = path.read_bytes()
    at = content.index(b"\x28\x00\x53\x10\x02\x00\x00\x00") + 8
    path.write_bytes(content[:at] + text + content[at + 2 :])


def test_a_complete_series_is_the_array(array, oblique, tmp_path, write_series):
    volume = Volume.read(write_series(tmp_path / "CT", array, oblique))
    np.testing.assert_array_equal(volume.array, array)


def test_every_voxel_of_a_series_lies_in_its_place(geometry, array, tmp_path, write_series):
    """DICOM states rows and columns only: a left-handed stack is read from its other end, its voxels in place."""
    volume = Volume.read(write_series(tmp_path / "CT", array, geometry))
    assert volume.array.shape == SHAPE
    np.testing.assert_allclose(volume.spacing, geometry.spacing, atol=1e-5)
    truth = geometry.put_on(sitk.GetImageFromArray(array))
    for k, j, i in np.ndindex(SHAPE):
        index = np.array(truth.TransformPhysicalPointToContinuousIndex(volume.grid.position((i, j, k))))
        np.testing.assert_allclose(index, index.round(), atol=1e-4)
        assert volume.array[k, j, i] == truth[index.round().astype(int).tolist()]


def test_units_and_name_are_those_of_the_series_and_the_patient_s_name_stays_out(array, tmp_path, write_series):
    volume = Volume.read(write_series(tmp_path / "CT", array))
    assert volume.units == "HU"
    assert volume.name == "Head plain"
    assert "Doe" not in repr(volume)


def test_the_folder_s_name_does_where_a_series_has_no_description(array, tmp_path, write_series):
    write_series(tmp_path / "CT of the head", array)
    for path in (tmp_path / "CT of the head").iterdir():
        path.write_bytes(path.read_bytes().replace(b"Head plain", b" " * 10))
    assert Volume.read(tmp_path / "CT of the head").name == "CT of the head"


def test_units_that_dicom_calls_unspecified_are_none(array, tmp_path, write_series):
    write_series(tmp_path / "CT", array)
    for path in (tmp_path / "CT").iterdir():
        path.write_bytes(path.read_bytes().replace(b"HU", b"US"))
    assert Volume.read(tmp_path / "CT").units == ""


def test_slices_are_ordered_by_position_not_by_file_name(array, tmp_path, write_series):
    names = [f"{n:03}.dcm" for n in (3, 1, 5, 0, 2, 4)]
    np.testing.assert_array_equal(Volume.read(write_series(tmp_path / "CT", array, names=names)).array, array)


def test_files_without_an_ending_are_read(array, tmp_path, write_series):
    write_series(tmp_path / "CT", array)
    for number, path in enumerate(sorted((tmp_path / "CT").iterdir())):
        path.rename(path.with_name(f"IM{number:04}"))
    (tmp_path / "CT" / "README").write_text("From the archive.")
    np.testing.assert_array_equal(Volume.read(tmp_path / "CT").array, array)


def test_other_files_in_the_folder_do_not_matter(array, tmp_path, write_series):
    write_series(tmp_path / "CT", array)
    (tmp_path / "CT" / "report.txt").write_text("Nothing abnormal.\n" * 100)
    (tmp_path / "CT" / "empty.txt").touch()
    (tmp_path / "CT" / ".hidden.dcm").write_bytes(b"\0" * 10)
    (tmp_path / "CT" / "another folder.dcm").mkdir()
    np.testing.assert_array_equal(Volume.read(tmp_path / "CT").array, array)


def test_a_rescale_slope_that_changes_from_slice_to_slice_is_not_rounded(array, tmp_path, write_series):
    """As in PET. The first slice has slope 1, so ITK alone would make the others whole numbers, too."""
    write_series(tmp_path / "PET", array)
    for k in range(1, 6):
        set_rescale_slope(tmp_path / "PET" / f"slice{k:03}.dcm", b".5")
    expected = array.astype(float)
    expected[1:] = (array[1:] + 1024) * 0.5 - 1024
    np.testing.assert_array_equal(Volume.read(tmp_path / "PET").array, expected)


def test_a_single_slice_is_a_volume_as_thick_as_it_says(array, tmp_path, write_series, oblique):
    volume = Volume.read(write_series(tmp_path / "CT", array[:1], oblique))
    np.testing.assert_array_equal(volume.array, array[:1])
    np.testing.assert_allclose(volume.spacing, oblique.spacing)
    np.testing.assert_allclose(volume.origin, oblique.origin, atol=1e-5)


# What must be refused


@pytest.mark.parametrize(("lost", "before", "after"), [(1, 1, 2), (3, 3, 4), (4, 4, 5)])
def test_a_missing_slice_is_not_bridged(lost, before, after, array, tmp_path, write_series, refused, oblique):
    keep = [k for k in range(6) if k != lost]
    write_series(tmp_path / "CT", array, oblique, keep=keep)
    refused(
        tmp_path / "CT",
        "a slice is missing",
        "5 slices were found, 5.00 mm apart",
        f"10.00 mm lie between slices {before} and {after}",
        "Export the series again",
    )


def test_several_missing_slices_are_counted(rng, tmp_path, write_series, refused):
    write_series(tmp_path / "CT", rng.integers(0, 9, (12, 5, 4)).astype(np.int16), keep=[0, 1, 2, 5, 6, 7, 9, 10, 11])
    refused(tmp_path / "CT", "about 3 slices are missing", "9 slices", "3.00 mm lie between slices 3 and 4")


def test_unevenly_spaced_slices_are_not_straightened(array, tmp_path, write_series, refused):
    positions = [(0, 0, height) for height in (0, 3, 6, 9.4, 12, 15)]
    write_series(tmp_path / "CT", array, positions=positions)
    refused(tmp_path / "CT", "unevenly spaced", "3.40 mm lie between slices 3 and 4")


def test_spacing_that_headers_round_is_accepted(array, tmp_path, write_series):
    positions = [(0, 0, round(k * 10 / 3, 2)) for k in range(6)]
    volume = Volume.read(write_series(tmp_path / "CT", array, positions=positions))
    assert volume.spacing[2] == pytest.approx(10 / 3, abs=0.01)


def test_two_series_in_one_folder_are_not_mixed(array, tmp_path, write_series, refused):
    write_series(tmp_path / "both", array)
    write_series(tmp_path / "both", array, uid="8", names=[f"b{k}.dcm" for k in range(6)])
    refused(tmp_path / "both", "2 DICOM series", "a folder of its own")


def test_two_images_at_one_position_are_not_stacked(array, tmp_path, write_series, refused):
    write_series(tmp_path / "DWI", array)
    write_series(tmp_path / "more", array)
    for path in (tmp_path / "more").iterdir():
        path.rename(tmp_path / "DWI" / f"b{path.name}")
    refused(tmp_path / "DWI", "12 images at 6 positions", "Extract one volume", kind=UnsuitableVolumeError)


def test_turned_slices_are_not_stacked(array, tmp_path, write_series, refused, rotation):
    turns = [np.eye(3)] * 3 + [rotation(0.3, 0, 0)] * 3
    write_series(tmp_path / "localizer", array, turns=turns)
    refused(tmp_path / "localizer", "6 slices", "turned against each other", "Export one stack")


def test_a_tilted_gantry_is_not_taken_for_straight_slices(array, tmp_path, write_series, refused):
    shift = 5 * np.tan(np.radians(20))
    positions = [(0, k * shift, 5.0 * k) for k in range(6)]
    write_series(tmp_path / "CT", array, positions=positions)
    refused(tmp_path / "CT", "6 slices", "shifted sideways", f"{5 * shift:.2f} mm", "tilted gantry")


def test_slices_of_different_sizes_are_not_stacked(array, tmp_path, write_series, refused):
    write_series(tmp_path / "CT", array)
    write_series(tmp_path / "CT", np.zeros((6, 7, 8), np.int16), keep=[3])
    refused(tmp_path / "CT", "6 files", "differ in size")


@pytest.mark.parametrize("which", [0, 3, 5], ids=["first", "middle", "last"])
@pytest.mark.parametrize(
    ("ending", "left"),
    [(ending, left) for ending in (".dcm", "") for left in (0, 100, 140, 400, -40, -1)]
    + [(".1.2.840.{}", left) for left in (140, 400, -40, -1)],  # less of it cannot be told from any other file
)
def test_a_cut_file_is_not_left_out(ending, which, left, array, tmp_path, write_series, refused):
    """GDCM drops a file that it cannot parse: a lost first or last slice would never be noticed."""
    write_series(tmp_path / "CT", array)
    for number, path in enumerate(sorted((tmp_path / "CT").iterdir())):
        path.rename(path.with_name(f"IM{number:04}{ending.format(number)}"))
    path = tmp_path / "CT" / f"IM{which:04}{ending.format(which)}"
    content = path.read_bytes()[:left]
    path.write_bytes(content)
    refused(tmp_path / "CT", path.name, "cut short or damaged", f"{len(content)} bytes", "again", name="CT")


def test_a_damaged_header_is_not_another_kind_of_error(array, tmp_path, write_series, refused):
    path = write_series(tmp_path / "CT", array) / "slice002.dcm"
    content = path.read_bytes()
    at = content.index(b"\x28\x00\x02\x00\x02\x00\x00\x00") + 8  # samples per pixel
    path.write_bytes(content[:at] + b"\x77\x77" + content[at + 2 :])
    refused(tmp_path / "CT", "damaged", "again")


def test_slices_without_a_position_are_refused(array, tmp_path, refused):
    (tmp_path / "scans").mkdir()
    for k, image in enumerate(array):
        sitk.WriteImage(sitk.GetImageFromArray(image), str(tmp_path / "scans" / f"{k}.dcm"))  # secondary captures
    message = refused(tmp_path / "scans", name="scans")
    assert "DICOM" in message


@pytest.mark.parametrize("content", [{}, {"notes.txt": b"Where are the images?"}, {"a.nii.gz": b""}])
def test_a_folder_without_dicom_is_told_so(content, tmp_path, refused):
    (tmp_path / "not a series").mkdir()
    for name, text in content.items():
        (tmp_path / "not a series" / name).write_bytes(text)
    refused(tmp_path / "not a series", "holds no DICOM series", "NRRD, NIfTI or MetaImage")
