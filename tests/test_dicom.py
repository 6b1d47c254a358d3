"""The person's own T1 as DICOM: geometry, identity, what is burned in, SEG, and everything that must be refused."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError, OutputError
from actionloop.files.dicom import write_segmentation, write_target_series
from actionloop.files.dicomseries import read_dicom_series
from actionloop.files.marks import Mark
from actionloop.files.overlays import sphere_mask
from actionloop.files.sameplace import require_same_place
from actionloop.files.volumes import header_sha256
from actionloop.types import Image

pydicom = pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
highdicom = pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")

COLUMNS, ROWS, SLICES = 112, 128, 16
SPACING = (1.5, 1.25, 6.0)  # along a row, down a column, between slices
OBLIQUE = Rotation.from_euler("xyz", [12, -9, 20], degrees=True)
SAGITTAL = Rotation.from_matrix(np.column_stack([[0, 1, 0], [0, 0, -1], [-1, 0, 0]]))
IDENTITY = {"PatientName": "Doe^Jane", "PatientID": "P-7", "PatientBirthDate": "19700101", "PatientSex": "F"}


def head(shape=(COLUMNS, ROWS, SLICES)):
    """A lopsided, textured blob, so that mirrored and shifted copies of it differ."""
    rng = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    blob = (grid**2).sum(axis=0) < 0.75
    texture = gaussian_filter(rng.standard_normal(shape), (4, 4, 1.5))
    return (np.clip(600 * blob * (1 + 0.3 * grid[0] - 0.2 * grid[2] + texture / texture.std() / 3), 0, 3000)).round()


VOXELS = head()


def write_series(folder, *, turn=OBLIQUE, voxels=VOXELS, change=None, **tags):
    """Write a T1 series by pydicom alone; the file order is not the order of the slices."""
    folder.mkdir(exist_ok=True)
    study, series, frame = (pydicom.uid.generate_uid() for _ in range(3))
    axes = turn.as_matrix()
    middle = np.array(voxels.shape) / 2 * SPACING
    for k in range(voxels.shape[2]):
        one = pydicom.Dataset()
        one.SOPClassUID, one.SOPInstanceUID = pydicom.uid.MRImageStorage, pydicom.uid.generate_uid()
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.Modality, one.ImageType, one.SeriesNumber, one.InstanceNumber = "MR", ["ORIGINAL", "PRIMARY"], 4, k + 1
        for name, value in IDENTITY.items():
            setattr(one, name, value)
        one.InstitutionName, one.OperatorsName = "Somewhere", "Some^One"
        one.StudyDate = one.StudyTime = one.AccessionNumber = one.StudyID = one.ReferringPhysicianName = ""
        one.add_new(0x00290010, "LO", "VENDOR")
        one.add_new(0x00291010, "LO", "secret")
        one.Rows, one.Columns = voxels.shape[1], voxels.shape[0]
        one.PixelSpacing, one.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
        one.ImageOrientationPatient = [float(f"{v:.9f}") for v in (*axes[:, 0], *axes[:, 1])]
        place = axes @ (np.array([0, 0, k * SPACING[2]]) - middle) + [3, -12, 20]
        one.ImagePositionPatient = [float(f"{v:.6f}") for v in place]
        one.SamplesPerPixel, one.PhotometricInterpretation, one.PixelRepresentation = 1, "MONOCHROME2", 0
        one.BitsAllocated, one.BitsStored, one.HighBit = 16, 12, 11
        one.PixelData = voxels[:, :, k].T.astype("<u2").tobytes()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        for name, value in tags.items():
            if value is None and name in one:
                delattr(one, name)
            elif value is not None:
                setattr(one, name, value)
        if change is not None:
            change(k, one)
        one.save_as(folder / f"{(k * 7) % 31:03d}.dcm", enforce_file_format=True)
    return folder


def t1_of(series):
    """The T1 as a converter would store it: RAS-like axes, another order of the voxels, the same places."""
    data, affine = series.image.data[:, ::-1], series.image.affine.copy()
    affine[:3, 3] += affine[:3, 1] * (data.shape[1] - 1)
    affine[:3, 1] *= -1
    return Image(data, affine, "sub-01 T1w", "t1.nii.gz", header_sha256(data.shape, affine, (1, 1)), (1, 1))


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return read_dicom_series(write_series(tmp_path_factory.mktemp("t1") / "dicom"), frame="sub-01 DICOM")


def centre(image, offset=(0, 0, 0)):
    return image.affine[:3, :3] @ (np.array(image.data.shape) // 2) + image.affine[:3, 3] + offset


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.tuples(*[st.floats(-60, 60)] * 3))
def test_voxels_lie_where_dicom_says(tmp_path_factory, angles):
    turn = Rotation.from_euler("xyz", angles, degrees=True)
    voxels = VOXELS[:, :, :6]
    found = read_dicom_series(write_series(tmp_path_factory.mktemp("s"), turn=turn, voxels=voxels), frame="x")
    np.testing.assert_array_equal(found.image.data, voxels)
    for one, k in zip(found.slices, range(6), strict=True):
        # PS3.3 C.7.6.2.1.1, written out: P = S + X Δcolumn i + Y Δrow j, in LPS.
        turned = np.array(one.ImageOrientationPatient, dtype=float)
        lps = (
            np.array(one.ImagePositionPatient, dtype=float)
            + turned[:3] * SPACING[0] * 20
            + turned[3:] * SPACING[1] * 33
        )
        np.testing.assert_allclose((found.image.affine @ [20, 33, k, 1])[:3], lps * [-1, -1, 1], atol=2e-5)


def test_patient_left_is_negative_x(series):
    # A plain axial series: columns run to the patient's left (+L), rows to the back (+P).
    assert series.image.affine[0, 0] < 0
    assert series.image.affine[1, 1] < 0
    assert series.image.affine[2, 2] > 0


@pytest.mark.parametrize("turn", [OBLIQUE, SAGITTAL, Rotation.identity()], ids=["oblique", "sagittal", "axial"])
@pytest.mark.parametrize("shape", ["sphere", "cross"])
def test_target_is_burned_in_where_it_lies(tmp_path, turn, shape):
    series = read_dicom_series(write_series(tmp_path / "in", turn=turn), frame="x")
    t1 = t1_of(series)
    xyz = centre(t1, (-25, 6, 4))
    written = write_target_series(tmp_path / "out", series, [Mark("SCAN middle L", xyz, 8.0, shape)], image=t1)
    back = read_dicom_series(tmp_path / "out", frame="x")
    np.testing.assert_allclose(back.image.affine, series.image.affine, atol=1e-9)
    assert len(written) == SLICES
    bright = back.image.data >= 1.2 * series.image.data.max()
    bright &= sphere_mask(series.image, xyz, radius_mm=25)  # the banner is bright too
    place = back.image.affine[:3, :3] @ np.argwhere(bright).mean(axis=0) + back.image.affine[:3, 3]
    np.testing.assert_allclose(place, xyz, atol=3.1)
    expected = sphere_mask(series.image, xyz, radius_mm=8)
    assert bright.any()
    assert not (bright & ~expected).any()
    if shape == "sphere":
        np.testing.assert_array_equal(bright, expected)
    # Nothing else of the head is touched: outside the mark and the banner's rows every voxel is the source's.
    changed = (back.image.data != series.image.data) & ~sphere_mask(series.image, xyz, radius_mm=11)
    rows = np.flatnonzero(changed.any(axis=(0, 2)))
    assert len(rows) <= 34
    assert rows[-1] < 34 or rows[0] >= ROWS - 34
    for k in range(SLICES):  # the banner stands in each slice
        assert (back.image.data[:, rows[0] : rows[-1] + 1, k] > 1.2 * series.image.data.max()).any()


def test_tags_of_the_derived_series(series, tmp_path):
    t1 = t1_of(series)
    marks = [
        Mark("SCAN middle L", centre(t1, (-30, 0, 0)), note="likely 0.8\\x"),
        Mark("Süd R", centre(t1, (30, 0, 0))),
    ]
    paths = write_target_series(tmp_path / "out", series, marks, image=t1)
    ones = [pydicom.dcmread(path) for path in paths]
    assert len({one.SOPInstanceUID for one in ones}) == SLICES
    assert len({one.SeriesInstanceUID for one in ones}) == 1
    for one, source in zip(ones, series.slices, strict=True):
        assert list(one.ImageType[:2]) == ["DERIVED", "SECONDARY"]
        assert one.BurnedInAnnotation == "YES"
        assert one.SeriesDescription == "RESEARCH USE ONLY target LEFT and RIGHT"
        assert "Not a medical device" in one.ImageComments
        assert "LEFT hemisphere" in one.ImageComments
        assert "RIGHT hemisphere" in one.ImageComments
        assert "negative (RAS" in one.ImageComments
        assert t1.header_sha256 in one.ImageComments
        for name in ("StudyInstanceUID", "FrameOfReferenceUID", *IDENTITY):
            assert one[name].value == source[name].value
        assert one.SeriesInstanceUID != source.SeriesInstanceUID
        assert one.SOPInstanceUID != source.SOPInstanceUID == one.SourceImageSequence[0].ReferencedSOPInstanceUID
        assert "InstitutionName" not in one
        assert "OperatorsName" not in one
        assert not any(element.tag.is_private for element in one)
    # Every element of patient, study and time has the source's value, or is empty: nothing was added.
    for element in ones[0]:
        if element.tag.group in (0x0010, 0x0012, 0x0032) or element.VR in ("DA", "TM", "DT", "PN"):
            assert element.is_empty or element.value == series.slices[0].get(element.tag).value


def test_a_deidentified_source_stays_so(tmp_path):
    gone = dict.fromkeys((*IDENTITY, "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName"))
    series = read_dicom_series(
        write_series(tmp_path / "in", PatientIdentityRemoved="YES", DeidentificationMethod="by hand", **gone), frame="x"
    )
    t1 = t1_of(series)
    mark = Mark("SCAN L", centre(t1, (-20, 0, 0)))
    one = pydicom.dcmread(write_target_series(tmp_path / "out", series, [mark], image=t1)[0])
    write_segmentation(tmp_path / "seg.dcm", series, image=t1, marks=[mark])
    for found in (one, pydicom.dcmread(tmp_path / "seg.dcm")):
        assert found.PatientIdentityRemoved == "YES"
        assert found.DeidentificationMethod == "by hand"
        assert all(found[name].is_empty for name in (*IDENTITY, "StudyDate", "AccessionNumber"))


def test_segmentation(series, tmp_path):
    t1 = t1_of(series)
    xyz = centre(t1, (-25, 5, 3))
    network = np.zeros(series.image.data.shape, dtype=bool)
    network[30:40, 50:60, 5:9] = True
    path = tmp_path / "seg.dcm"
    write_segmentation(path, series, image=t1, marks=[Mark("SCAN L", xyz)], networks={"SCAN p > 0.5": network})
    seg = highdicom.seg.segread(path)
    first = series.slices[0]
    assert (seg.StudyInstanceUID, seg.FrameOfReferenceUID) == (first.StudyInstanceUID, first.FrameOfReferenceUID)
    assert seg.PatientName == first.PatientName
    assert "RESEARCH USE ONLY" in seg.SeriesDescription
    assert "LEFT" in seg.SeriesDescription
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["SCAN p > 0.5", "SCAN L (left)"]
    referred = {str(uid) for *_, uid in seg.get_source_image_uids()}
    assert referred == {str(one.SOPInstanceUID) for one in series.slices}
    for number, mask in ((1, network), (2, sphere_mask(series.image, xyz, radius_mm=5))):
        uids = [one.SOPInstanceUID for one in series.slices]
        frames = seg.get_pixels_by_source_instance(
            uids, segment_numbers=[number], assert_missing_frames_are_empty=True
        )[..., 0]
        np.testing.assert_array_equal(frames.transpose(2, 1, 0).astype(bool), mask)
    # highdicom's own geometry, frame by frame, against ours.
    volume = seg.get_volume(segment_numbers=[2], combine_segments=True)
    where = np.argwhere(volume.array == 2).mean(axis=0)
    lps = volume.affine[:3, :3] @ where + volume.affine[:3, 3]
    ours = np.argwhere(sphere_mask(series.image, xyz, radius_mm=5)).mean(axis=0)
    np.testing.assert_allclose(
        lps * [-1, -1, 1], series.image.affine[:3, :3] @ ours + series.image.affine[:3, 3], atol=1e-4
    )


def drop(*numbers):
    def change(k, one):
        if k in numbers:
            one.SeriesInstanceUID = "1.2.3"

    return change


def nudge(axis, mm, at=10):
    def change(k, one):
        if k >= at:
            place = np.array(one.ImagePositionPatient, dtype=float)
            axes = np.array(one.ImageOrientationPatient, dtype=float).reshape(2, 3)
            axes = [*axes, np.cross(*axes)]
            one.ImagePositionPatient = [float(f"{v:.6f}") for v in place + axes[axis] * mm]

    return change


def compress(_, one):
    one.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless
    one["PixelData"].is_undefined_length = True
    one.PixelData = pydicom.encaps.encapsulate([one.PixelData])


def at_slice(number, **tags):
    def change(k, one):
        if k == number:
            for name, value in tags.items():
                setattr(one, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "tags", "error", "words"),
    [
        (drop(3), {}, InputError, "expected one series, found 2"),
        (compress, {}, InputError, "compressed"),
        (None, {"ImageOrientationPatient": None, "PixelSpacing": None}, InputError, "ImageOrientationPatient, PixelSp"),
        (None, {"FrameOfReferenceUID": None}, InputError, "FrameOfReferenceUID"),
        (None, {"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, InputError, "expected MR"),
        (None, {"NumberOfFrames": 5}, InputError, "multi-frame"),
        (None, {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, InputError, "MOSAIC"),
        (None, {"PixelData": b"\0" * 100}, InputError, "truncated"),
        (None, {"PhotometricInterpretation": "MONOCHROME1"}, InputError, "MONOCHROME2"),
        (None, {"PixelSpacing": [0, 1]}, GeometryError, "no spacing"),
        (None, {"ImageOrientationPatient": [1, 0, 0, 0.1, 1, 0]}, GeometryError, "perpendicular"),
        (nudge(2, 6.0), {}, GeometryError, "slices are missing"),
        (nudge(2, 0.5), {}, GeometryError, "missing"),
        (nudge(0, 2.0), {}, GeometryError, "sideways"),
        (nudge(2, -6.0), {}, GeometryError, "in the place of another"),
        (at_slice(2, FrameOfReferenceUID="1.2.3"), {}, GeometryError, "FrameOfReferenceUID"),
        (at_slice(2, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), {}, GeometryError, "orientation"),
        (at_slice(2, PatientID="other"), {}, GeometryError, "PatientID"),
    ],
)
def test_series_that_must_be_refused(tmp_path, change, tags, error, words):
    write_series(tmp_path / "in", change=change, voxels=VOXELS[:, :, :14], **tags)
    with pytest.raises(error, match=words) as raised:
        read_dicom_series(tmp_path / "in", frame="x")
    assert "Doe" not in str(raised.value)
    assert "P-7" not in str(raised.value)


def test_folders_that_must_be_refused(tmp_path):
    with pytest.raises(InputError, match="folder"):
        read_dicom_series(tmp_path / "none", frame="x")
    (tmp_path / "notes.txt").write_text("no DICOM")
    with pytest.raises(InputError, match="no DICOM file"):
        read_dicom_series(tmp_path, frame="x")
    folder = write_series(tmp_path / "in", voxels=VOXELS[:, :, :5])
    (folder / "readme.txt").write_text("passed over")
    assert read_dicom_series(folder, frame="x").image.data.shape == (COLUMNS, ROWS, 5)
    cut = folder / "000.dcm"
    cut.write_bytes(cut.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"truncated|not a readable"):
        read_dicom_series(folder, frame="x")


@pytest.mark.parametrize("what", ["shifted", "mirrored", "other", "far"])
def test_a_t1_of_another_place_is_refused(series, tmp_path, what):
    t1 = t1_of(series)
    assert require_same_place(series, t1) > 0.99
    affine, data = t1.affine.copy(), t1.data
    if what == "shifted":
        affine[:3, 3] += [0, 4, 0]
    elif what == "mirrored":
        data = t1.data[::-1]
    elif what == "other":
        data = np.random.default_rng(0).random(data.shape)
    else:
        affine[:3, 3] += 500
    wrong = Image(data, affine, t1.frame, "", header_sha256(data.shape, affine, (1, 1)), (1, 1))
    with pytest.raises(GeometryError, match="same place"):
        write_target_series(tmp_path / "out", series, [Mark("SCAN L", centre(t1, (-20, 0, 0)))], image=wrong)
    assert not list(tmp_path.iterdir())


def test_marks_that_must_be_refused(series, tmp_path):
    t1 = t1_of(series)
    place = centre(t1, (-40, 0, 0))
    for marks, error, words in (
        ([], EmptyRegionError, "no target"),
        ([Mark("SCAN R", place)], GeometryError, "other side of the head"),
        ([Mark("SCAN L", place - 900)], GeometryError, "outside the image"),
        ([Mark("SCAN L", place, 0.0)], OptionError, "radius"),
        ([Mark("SCAN L", place, shape="star")], OptionError, "sphere or a cross"),
        ([Mark("SCAN L", place), Mark("SCAN L", place + 1)], GeometryError, "one label"),
    ):
        with pytest.raises(error, match=words):
            write_target_series(tmp_path / "out", series, marks, image=t1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(OutputError, match="not empty"):
        write_target_series(tmp_path / "full", series, [Mark("SCAN L", place)], image=t1)
    with pytest.raises(EmptyRegionError, match="is empty"):
        write_segmentation(tmp_path / "s", series, image=t1, networks={"a": np.zeros(series.image.data.shape, bool)})
    with pytest.raises(GeometryError, match="grid"):
        write_segmentation(tmp_path / "s", series, image=t1, networks={"a": np.ones((3, 3, 3), bool)})


def test_signed_rescaled_slices(tmp_path):
    folder = write_series(
        tmp_path / "in", PixelRepresentation=1, RescaleSlope=2, RescaleIntercept=-10, BitsStored=16, HighBit=15
    )
    series = read_dicom_series(folder, frame="x")
    np.testing.assert_array_equal(series.image.data, VOXELS * 2 - 10)
    t1 = t1_of(series)
    xyz = centre(t1, (-20, 0, 0))
    write_target_series(tmp_path / "out", series, [Mark("SCAN L", xyz)], image=t1)
    back = read_dicom_series(tmp_path / "out", frame="x").image.data
    inside = back[sphere_mask(series.image, xyz, radius_mm=5)]
    np.testing.assert_allclose(inside, 1.25 * series.image.data.max(), atol=2)


def test_the_extra_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == "pydicom":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="extra 'dicom'"):
        read_dicom_series(tmp_path, frame="x")
