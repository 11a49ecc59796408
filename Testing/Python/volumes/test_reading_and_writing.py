import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import InvertibleFusionError, OutputError
from InvertibleFusionLib.volumes.writing import staged, write_into_stage

READ = [".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd"]
WRITTEN = [".nrrd", ".nii", ".nii.gz", ".mha"]
TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
RECORD = {
    "result": {"name": "fused ADC + FLAIR", "units": "µm²/ms"},
    "note": 'a "quoted" \\ line\nbreak\tand := a separator: too',
    "名前": "Größe",
    "constants": [0.1, 1e-300, -3.5e38, 2**53] * 500,
    "nothing": None,
}


def values_of(dtype, rng, shape=(4, 5, 7)):
    """Values over the whole range of a type, its ends among them."""
    if np.issubdtype(dtype, np.floating):
        array = (rng.normal(size=shape) * 10.0 ** rng.integers(-20, 20, shape)).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        array = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
        array.flat[:2] = limits.min, limits.max
    return array


def state_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Reading what others wrote


@pytest.mark.parametrize("ending", READ)
def test_a_file_lies_in_the_patient_where_its_writer_put_it(ending, geometry, tmp_path, write_image, rng):
    array = rng.normal(size=(4, 5, 7)).astype(np.float32)
    image = write_image(tmp_path / f"a{ending}", array, geometry)
    volume = Volume.read(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.spacing, geometry.spacing, rtol=1e-6)
    for index in ((0, 0, 0), (6, 0, 0), (0, 4, 0), (0, 0, 3), (6, 4, 3)):
        np.testing.assert_allclose(volume.grid.position(index), image.TransformIndexToPhysicalPoint(index), atol=1e-4)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("ending", READ)
def test_every_voxel_type_is_read_bit_for_bit(ending, dtype, tmp_path, write_image, rng):
    array = values_of(dtype, rng)
    write_image(tmp_path / f"a{ending}", array)
    volume = Volume.read(tmp_path / f"a{ending}")
    assert volume.array.dtype == dtype
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize("ending", [".nrrd", ".nhdr", ".mha", ".mhd"])
def test_compressed_files_are_read(ending, tmp_path, write_image, rng):
    array = values_of("int16", rng)
    write_image(tmp_path / f"a{ending}", array, compress=True)
    np.testing.assert_array_equal(Volume.read(tmp_path / f"a{ending}").array, array)


@pytest.mark.parametrize("ending", READ)
def test_spaces_and_umlauts_in_paths_are_no_obstacle(ending, tmp_path, write_image, rng):
    path = tmp_path / "Größe und 日本" / f"T1 nach KM (2) é{ending}"
    array = values_of("int16", rng)
    write_image(path, array)
    volume = Volume.read(path)
    np.testing.assert_array_equal(volume.array, array)
    assert volume.name == "T1 nach KM (2) é"


def test_endings_in_capitals_are_understood(tmp_path, write_image, rng):
    array = values_of("int16", rng)
    write_image(tmp_path / "a.nii.gz", array)
    capitals = (tmp_path / "a.nii.gz").rename(tmp_path / "SCAN.NII.GZ")
    volume = Volume.read(capitals)
    np.testing.assert_array_equal(volume.array, array)
    assert volume.name == "SCAN"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("FLAIR.nii.gz", "FLAIR"),
        ("b1000.run-2.nrrd", "b1000.run-2"),
        ("ADC map.mha", "ADC map"),
        ("scan.v2.nii", "scan.v2"),
    ],
)
def test_a_volume_is_called_after_its_file(file, name, tmp_path, write_image, rng):
    write_image(tmp_path / file, values_of("int16", rng))
    assert Volume.read(str(tmp_path / file)).name == name


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_of_either_byte_order_is_read(order, tmp_path, nifti_bytes, rng):
    array = values_of("int16", rng)
    (tmp_path / "a.nii").write_bytes(nifti_bytes(array, order=order))
    np.testing.assert_array_equal(Volume.read(tmp_path / "a.nii").array, array)


def test_the_smallest_nifti_is_read(tmp_path, nifti_bytes):
    (tmp_path / "a.nii").write_bytes(nifti_bytes(np.full((1, 1, 1), 7, np.int16)))
    assert Volume.read(tmp_path / "a.nii").array.tolist() == [[[7]]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ending", READ)
def test_nan_and_infinities_in_a_file_are_not_read_as_zeros(ending, dtype, tmp_path, write_image, rng):
    array = rng.normal(size=(4, 5, 7)).astype(dtype)
    array[0, 0, 0], array[1, 2, 3], array[3, 4, 6] = np.nan, np.inf, -np.inf
    write_image(tmp_path / f"ADC{ending}", array)
    volume = Volume.read(tmp_path / f"ADC{ending}")
    assert volume.array.dtype == dtype
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
def test_nan_in_one_component_stays_there(ending, tmp_path, write_image, rng):
    array = rng.normal(size=(4, 5, 7, 2)).astype(np.float32)
    array[1, 2, 3, 1] = np.nan
    write_image(tmp_path / f"latent{ending}", array, vector=True)
    np.testing.assert_array_equal(Volume.read(tmp_path / f"latent{ending}").array, array)


@pytest.mark.parametrize("order", ["<", ">"])
def test_nan_anywhere_in_a_large_nifti_of_either_byte_order_is_found(order, tmp_path, nifti_bytes):
    array = np.arange(1_200_000, dtype=np.float32).reshape(3, 400, 1000)
    array.flat[[0, 2**20 - 1, 2**20, 1_199_999]] = np.nan  # files are looked through in pieces of 4 MiB
    (tmp_path / "a.nii").write_bytes(nifti_bytes(array, order=order))
    np.testing.assert_array_equal(Volume.read(tmp_path / "a.nii").array, array)


def test_nan_in_a_nifti_with_a_slope_is_still_nan(tmp_path, nifti_bytes):
    array = np.array([[[1.0, np.nan, 3.0]]], np.float32)
    (tmp_path / "a.nii").write_bytes(nifti_bytes(array, scale=(0.5, 10)))
    np.testing.assert_array_equal(Volume.read(tmp_path / "a.nii").array, array * 0.5 + 10)


def test_the_slope_of_a_nifti_is_applied(tmp_path, nifti_bytes, rng):
    array = rng.integers(-1000, 1000, (4, 5, 7)).astype(np.int16)
    (tmp_path / "a.nii").write_bytes(nifti_bytes(array, scale=(0.5, -1024)))
    np.testing.assert_array_equal(Volume.read(tmp_path / "a.nii").array, array * 0.5 - 1024)


@pytest.mark.parametrize("ending", [".nrrd", ".nii", ".mha"])
def test_a_two_dimensional_image_becomes_one_slice(ending, tmp_path, rng):
    array = values_of("int16", rng, (5, 7))
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 2.0))
    sitk.WriteImage(image, str(tmp_path / f"a{ending}"))
    volume = Volume.read(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(volume.array, array[None])
    assert volume.spacing[:2] == (0.5, 2.0)


@pytest.mark.parametrize("ending", [".nrrd", ".nii", ".nii.gz", ".mha"])
def test_a_series_of_one_volume_is_that_volume(ending, tmp_path, rng):
    array = values_of("int16", rng)
    image = sitk.JoinSeries(sitk.GetImageFromArray(array))
    assert image.GetSize() == (7, 5, 4, 1)
    sitk.WriteImage(image, str(tmp_path / f"a{ending}"))
    np.testing.assert_array_equal(Volume.read(tmp_path / f"a{ending}").array, array)


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
def test_colour_keeps_its_components(ending, tmp_path, write_image, rng):
    array = values_of("uint8", rng, (4, 5, 7, 3))
    write_image(tmp_path / f"a{ending}", array, vector=True)
    volume = Volume.read(tmp_path / f"a{ending}")
    assert volume.components == 3
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize("field", ['sample units: "mm^2/s"', "sample units: mm^2/s"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_units_that_a_nrrd_states_by_its_standard_are_kept(field, newline, tmp_path):
    header = [
        "NRRD0005",
        "type: short",
        field,
        "dimension: 3",
        "sizes: 2 2 2",
        "encoding: raw",
        "endian: little",
        "",
        "",
    ]
    (tmp_path / "ADC.nrrd").write_bytes(newline.join(header).encode() + bytes(range(16)))
    volume = Volume.read(tmp_path / "ADC.nrrd")
    assert volume.units == "mm^2/s"
    assert volume.array[0, 0, 0] == 256


@pytest.mark.parametrize("ending", READ)
def test_units_are_not_guessed(ending, tmp_path, write_image, rng):
    write_image(tmp_path / f"CT{ending}", values_of("int16", rng))
    volume = Volume.read(tmp_path / f"CT{ending}")
    assert volume.units == ""
    assert volume.record is None


def test_files_that_call_their_values_labels_are_known_for_it(tmp_path, write_image, nifti_bytes, rng):
    array = values_of("int16", rng)
    (tmp_path / "labels.nii").write_bytes(nifti_bytes(array, intent=1002))
    (tmp_path / "scan.nii").write_bytes(nifti_bytes(array))
    write_image(tmp_path / "brain.seg.nrrd", array)
    write_image(tmp_path / "segments.nrrd", array, metadata={"Segment0_ID": "lesion"})
    write_image(tmp_path / "scan.nrrd", array)
    found = {path.name: Volume.read(path).label_map for path in tmp_path.iterdir()}
    assert found == {
        "labels.nii": True,
        "scan.nii": False,
        "brain.seg.nrrd": True,
        "segments.nrrd": True,
        "scan.nrrd": False,
    }


# Writing, and reading back


@pytest.mark.parametrize("ending", WRITTEN)
def test_other_programs_find_a_result_in_its_place(ending, geometry, tmp_path, rng):
    array = rng.normal(size=(4, 5, 7)).astype(np.float32)
    Volume(array, *geometry).write(tmp_path / f"a{ending}")
    image = sitk.ReadImage(str(tmp_path / f"a{ending}"))
    expected = geometry.put_on(sitk.Image([7, 5, 4], sitk.sitkFloat32))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), array)
    for index in ((0, 0, 0), (6, 0, 0), (0, 4, 0), (0, 0, 3), (6, 4, 3)):
        np.testing.assert_allclose(
            image.TransformIndexToPhysicalPoint(index), expected.TransformIndexToPhysicalPoint(index), atol=1e-4
        )


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("ending", WRITTEN)
def test_every_voxel_type_is_written_bit_for_bit(ending, dtype, tmp_path, rng):
    array = values_of(dtype, rng)
    Volume(array).write(tmp_path / f"a{ending}")
    image = sitk.ReadImage(str(tmp_path / f"a{ending}"))
    assert sitk.GetArrayViewFromImage(image).dtype == dtype
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), array)


@pytest.mark.parametrize(
    ("dtype", "stored"), [("bool", "uint8"), ("float16", "float32"), (">i2", "int16"), (">f8", "float64")]
)
def test_types_that_files_do_not_have_are_written_without_loss(dtype, stored, tmp_path, rng):
    array = rng.integers(0, 2, (4, 5, 7)).astype(dtype) * np.array(1, dtype)
    Volume(array).write(tmp_path / "a.nrrd")
    image = sitk.ReadImage(str(tmp_path / "a.nrrd"))
    assert sitk.GetArrayViewFromImage(image).dtype == stored
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), array)


@pytest.mark.parametrize("ending", WRITTEN)
def test_a_latent_of_two_components_comes_back(ending, geometry, tmp_path, rng):
    array = rng.normal(size=(4, 5, 7, 2)).astype(np.float32)
    Volume(array, *geometry).write(tmp_path / f"latent{ending}")
    np.testing.assert_array_equal(Volume.read(tmp_path / f"latent{ending}").array, array)


@pytest.mark.parametrize("units", ["mm^2/s", "µm²/ms", 'a "quoted" \\ unit', "10⁻⁶ mm²/s"])
def test_units_travel_in_nrrd(units, tmp_path, rng):
    Volume(values_of("int16", rng), name="ADC", units=units).write(tmp_path / "ADC.nrrd")
    assert Volume.read(tmp_path / "ADC.nrrd").units == units


@pytest.mark.parametrize("ending", WRITTEN)
def test_the_record_travels_with_every_format(ending, tmp_path, rng):
    written = Volume(values_of("float32", rng), name="something else", record=RECORD)
    written.write(tmp_path / f"fused{ending}")
    volume = Volume.read(tmp_path / f"fused{ending}")
    assert volume.record == RECORD
    assert (volume.name, volume.units) == ("fused ADC + FLAIR", "µm²/ms")


def test_the_record_in_a_nrrd_is_one_line_of_ascii_that_json_reads(tmp_path, rng):
    Volume(values_of("float32", rng), record=RECORD).write(tmp_path / "fused.nrrd")
    assert [path.name for path in tmp_path.iterdir()] == ["fused.nrrd"]
    header = (tmp_path / "fused.nrrd").read_bytes().partition(b"\n\n")[0]
    lines = [line for line in header.splitlines() if line.startswith(b"invertible_fusion_record:=")]
    assert len(lines) == 1
    text = lines[0].decode("ascii").partition(":=")[2]
    assert json.loads(text.replace("\\\\", "\\")) == RECORD  # NRRD doubles backslashes


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".mha"])
def test_the_record_lies_beside_formats_that_cannot_hold_it(ending, tmp_path, rng):
    Volume(values_of("float32", rng), record=RECORD).write(tmp_path / f"my fused.1{ending}")
    assert {path.name for path in tmp_path.iterdir()} == {f"my fused.1{ending}", "my fused.1.record.json"}
    assert json.loads((tmp_path / "my fused.1.record.json").read_text(encoding="utf-8")) == RECORD


def test_another_file_s_record_is_not_taken_for_a_nrrd_s_own(tmp_path, rng):
    Volume(values_of("float32", rng), record=RECORD).write(tmp_path / "FLAIR.nii.gz")
    Volume(values_of("int16", rng)).write(tmp_path / "FLAIR.nrrd")
    assert Volume.read(tmp_path / "FLAIR.nrrd").record is None
    assert Volume.read(tmp_path / "FLAIR.nii.gz").record == RECORD


def test_the_record_of_an_earlier_file_is_not_taken_for_the_new_one_s(tmp_path, rng):
    fused = Volume(values_of("float32", rng), record=RECORD)
    fused.write(tmp_path / "a.nii.gz")
    changed = fused.with_array(fused.array * 2)
    assert changed.record is None
    changed.write(tmp_path / "a.nii.gz")
    assert Volume.read(tmp_path / "a.nii.gz").record is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]


def test_a_record_that_another_file_still_needs_stays(tmp_path, rng):
    Volume(values_of("float32", rng), record=RECORD).write(tmp_path / "a.mha")
    Volume(values_of("float32", rng)).write(tmp_path / "a.nii.gz")
    assert Volume.read(tmp_path / "a.mha").record == RECORD


def test_a_result_replaces_an_earlier_one(tmp_path, rng):
    first, second = values_of("int16", rng), values_of("int16", rng, (2, 3, 4))
    Volume(first).write(tmp_path / "a.nii.gz")
    Volume(second).write(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(Volume.read(tmp_path / "a.nii.gz").array, second)
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]


def test_others_may_read_a_result(tmp_path, rng):
    (tmp_path / "plain").write_text("x")
    Volume(values_of("int16", rng)).write(tmp_path / "a.nrrd")
    assert stat.S_IMODE((tmp_path / "a.nrrd").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_folders_on_the_way_are_made(tmp_path, rng, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = values_of("int16", rng)
    Volume(array).write("out/real data/a.nrrd")
    Volume(array).write("b.nrrd")
    np.testing.assert_array_equal(Volume.read(tmp_path / "out" / "real data" / "a.nrrd").array, array)
    np.testing.assert_array_equal(Volume.read("b.nrrd").array, array)


# Volumes


def test_a_volume_cannot_be_changed_by_accident(rng):
    volume = Volume(values_of("int16", rng))
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 1


@pytest.mark.parametrize("array", [np.zeros((3, 4)), np.zeros((1, 2, 3, 4, 5)), np.zeros((2, 2, 2), complex)])
def test_arrays_that_are_no_volume_are_refused(array):
    with pytest.raises(ValueError, match="A volume"):
        Volume(array)


def test_an_array_of_another_size_does_not_take_a_volume_s_place(rng):
    volume = Volume(values_of("int16", rng))
    with pytest.raises(ValueError, match="does not fit"):
        volume.with_array(np.zeros((5, 4, 7)))
    with pytest.raises(ValueError, match="does not fit"):
        Volume.on_grid(np.zeros((7, 5, 4)), volume.grid)


@pytest.mark.parametrize(
    ("name", "part"),
    [("T1 Gd", "T1_Gd"), ("../../etc/passwd", "etc_passwd"), ("b=1000;x", "b_1000_x"), ("日本", "volume")],
)
def test_names_are_safe_in_file_names(name, part):
    assert Volume(np.zeros((1, 1, 1)), name=name).file_name == part


# What cannot be written


def refuse_to_write(path, *parts):
    with pytest.raises(InvertibleFusionError) as caught:
        Volume(np.arange(8.0).reshape(2, 2, 2)).write(path)
    assert type(caught.value) is OutputError
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


@pytest.mark.parametrize("file", ["a.jpg", "a", "a.nii.bz2", "a.mhd", "a.dcm"])
def test_an_unknown_ending_is_refused_with_those_that_are_known(file, tmp_path):
    refuse_to_write(tmp_path / "new" / file, file, ".nrrd, .nii.gz, .nii, .mha")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_output_folder_is_named(tmp_path):
    (tmp_path / "out").write_text("mine")
    refuse_to_write(tmp_path / "out" / "a.nrrd", tmp_path / "out", "a file, not a folder", "another folder")
    refuse_to_write(tmp_path / "out" / "deeper" / "a.nrrd", tmp_path / "out" / "deeper", "another folder")
    assert state_of(tmp_path) == {Path("out"): b"mine"}


@pytest.mark.parametrize("folder", ["x" * 300, f"new/{'x' * 300}"])
def test_a_folder_that_cannot_be_made_leaves_nothing(folder, tmp_path):
    refuse_to_write(tmp_path / folder / "a.nrrd", "cannot be made", "another folder")
    assert list(tmp_path.iterdir()) == []


def test_a_file_name_that_is_too_long_leaves_nothing(tmp_path):
    refuse_to_write(tmp_path / ("x" * 300 + ".nrrd"), "could not be written")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    refuse_to_write(tmp_path / "locked" / "a.nrrd", tmp_path / "locked", "ermission", "another folder")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / "a.nrrd").mkdir()
    refuse_to_write(tmp_path / "a.nrrd", tmp_path / "a.nrrd", "is a folder", "another name")
    assert [path.name for path in tmp_path.iterdir()] == ["a.nrrd"]


FULL_DISK = """
import json, resource, sys
from pathlib import Path
import numpy as np
from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import OutputError

folder, answers = Path(sys.argv[1]), {}
array = np.random.default_rng(1).integers(0, 30000, (8, 64, 64), dtype=np.int16)
volume = Volume(array, record=json.loads(sys.argv[2]))
for ending in (".nrrd", ".nii", ".nii.gz", ".mha"):
    volume.write(folder / f"whole{ending}")
    size = (folder / f"whole{ending}").stat().st_size
    for limit in (10, 1000, size // 2, size - 1500, size - 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            volume.write(folder / "new" / f"a{ending}")
            answer = "written"
        except OutputError as error:
            answer = str(error)
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        answers[f"{limit} of {size} bytes of a{ending}"] = [answer, (folder / "new").exists()]
print(json.dumps(answers))
"""


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path):
    pytest.importorskip("resource")
    record = {"result": {"name": "fused", "units": ""}, "settings": "x" * 3000}
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), json.dumps(record)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    answers = json.loads(run.stdout)
    assert len(answers) == 20
    for case, (answer, left_behind) in answers.items():
        assert "could not be written (0.1 MB of voxels, " in answer, case
        assert "the disk is full or failing. Free some space" in answer, case
        assert "\n" not in answer, case
        assert not left_behind, case


# Several files, all or none


def test_several_files_appear_together(tmp_path, rng):
    array = values_of("int16", rng)
    with staged(tmp_path / "out") as stage:
        write_into_stage(Volume(array), stage / "a.nrrd")
        write_into_stage(Volume(array, record=RECORD), stage / "b.nii.gz")
        (stage / "report.txt").write_text("done")
        assert state_of(tmp_path / "out").keys().isdisjoint({Path("a.nrrd"), Path("b.nii.gz"), Path("report.txt")})
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {"a.nrrd", "b.nii.gz", "b.record.json", "report.txt"}
    np.testing.assert_array_equal(Volume.read(tmp_path / "out" / "a.nrrd").array, array)


def stage_and_stop(folder, interruption, **volumes):
    with staged(folder) as stage:
        for name, volume in volumes.items():
            write_into_stage(volume, stage / f"{name}.nii.gz")
        raise interruption


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, GeneratorExit, RuntimeError, MemoryError])
def test_a_cancelled_run_leaves_earlier_outputs_as_they_were(interruption, tmp_path, rng):
    Volume(values_of("int16", rng), record=RECORD).write(tmp_path / "a.nii.gz")
    (tmp_path / "notes.txt").write_text("mine")
    before = state_of(tmp_path)
    with pytest.raises(interruption):
        stage_and_stop(tmp_path, interruption, a=Volume(values_of("int16", rng)), b=Volume(values_of("int16", rng)))
    assert state_of(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii.gz", "a.record.json", "notes.txt"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_a_cancelled_run_removes_the_folders_that_it_made(interruption, tmp_path, rng):
    with pytest.raises(interruption):
        stage_and_stop(tmp_path / "out" / "patient 1", interruption, a=Volume(values_of("int16", rng)))
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_run_keeps_folders_that_were_there(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(RuntimeError):
        stage_and_stop(tmp_path / "out" / "new", RuntimeError)
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]


def write_beside_the_stage(folder):
    with staged(folder):
        (folder / "theirs.txt").write_text("x")
        raise KeyboardInterrupt


def test_a_cancelled_run_keeps_what_others_wrote_meanwhile(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_beside_the_stage(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["theirs.txt"]


def write_texts(folder, *names):
    with staged(folder) as stage:
        for name in names:
            (stage / name).write_text("new")


def test_one_output_that_cannot_be_placed_holds_back_all(tmp_path):
    (tmp_path / "a.txt").write_text("earlier")
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(OutputError, match=r"b\.txt is a folder"):
        write_texts(tmp_path, "a.txt", "b.txt")
    assert state_of(tmp_path) == {Path("a.txt"): b"earlier"}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_cancelling_between_two_files_that_belong_together_moves_both(sent, tmp_path, monkeypatch):
    """A new image beside an old latent would be refused for ever after."""
    for name in ("fused", "latent"):
        (tmp_path / name).write_text("old")
    move = Path.replace

    def move_and_be_interrupted(self, target):
        result = move(self, target)
        signal.raise_signal(sent)
        return result

    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), staged(tmp_path) as stage:  # noqa: PT012
            for name in ("fused", "latent"):
                (stage / name).write_text("new")
            monkeypatch.setattr(Path, "replace", move_and_be_interrupted)
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert sorted((path.name, path.read_text()) for path in tmp_path.iterdir()) == [("fused", "new"), ("latent", "new")]
