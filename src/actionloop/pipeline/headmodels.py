"""The head model of one person: from surfaces and T1, from another program's file, or the template's carried over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actionloop import facts, files
from actionloop.brain import Scalp, scalp_of
from actionloop.errors import OptionError
from actionloop.field import (
    HeadModel,
    build_head,
    carry_head,
    check_head,
    choose_labels,
    head_from_labels,
    head_from_mesh,
    known_labels,
)
from actionloop.field.model import AIR
from actionloop.pipeline.head import Head, template_head
from actionloop.pipeline.steps import Arrays, Steps, key_of
from actionloop.types import FloatArray, IntArray, Target

if TYPE_CHECKING:
    from actionloop.pipeline.person import PersonJob

# A coil is not laid where a cut lies this near to the scalp over the target.
_CUT_NEAR_MM = 15.0


@dataclass(frozen=True, eq=False)
class FieldHead:
    """A head that fields are computed in.

    Attributes
    ----------
    model : HeadModel or None
        None where a sphere fitted to the scalp does.
    scalp : Scalp
        In the same frame.
    notes : tuple of str
    """

    model: HeadModel | None
    scalp: Scalp
    notes: tuple[str, ...] = ()


def field_head(job: PersonJob, head: Head, steps: Steps, key: str) -> FieldHead:
    """Return the head model of a person, from the finished steps where it is there.

    Parameters
    ----------
    job : PersonJob
    head : Head
    steps : Steps
    key : str
        Hash of the files and options that shape it.

    Returns
    -------
    FieldHead

    Raises
    ------
    GeometryError, InputError
        Another program's file that does not fit this brain, or a head that is none.
    """
    arrays, _ = steps.run("headmodel", key, lambda: _to_arrays(_make(job, head)))
    return _from_arrays(arrays)


def head_key(job: PersonJob, head_files: object, hashes: Mapping[str, str]) -> str:
    """Hash what shapes the head model: files of the anatomy, another program's file, size of the voxels."""
    wanted = job.settings.pose
    given = [hashes[str(path)] for path in (wanted.head, label_file(wanted.labels)) if path is not None]
    return key_of(
        {
            "head": head_files,
            "given": given,
            "labels": wanted.labels,
            "edge_mm": wanted.resolution_mm,
            "settings": [facts.load("head")["version"], facts.load("field")["version"]],
            "template_image": job.template_image,
        }
    )


def _make(job: PersonJob, head: Head) -> FieldHead:
    wanted, anatomy = job.settings.pose, head.anatomy
    if wanted.head is not None:
        model = _of_other_program(wanted.head, wanted.labels, frame=anatomy.frame, edge_mm=wanted.resolution_mm)
        scalp = head.scalp or _scalp_of(model)
    elif head.image is not None and head.scalp is not None:
        model = build_head(
            anatomy,
            image=head.image,
            scalp=head.scalp,
            edge_mm=wanted.resolution_mm,
            template=files.template_anatomy(),
        )
        model, scalp = replace(model, approximate=not anatomy.own), head.scalp
    else:
        model, scalp = _carried(head, edge_mm=wanted.resolution_mm)
    notes = check_head(model, anatomy)
    return FieldHead(model, scalp, tuple(dict.fromkeys((*model.notes, *notes))))


def _carried(head: Head, *, edge_mm: float) -> tuple[HeadModel, Scalp]:
    """Carry the template's head over; the template's own surfaces need no carrying."""
    template = template_head()
    assert template.scalp is not None
    model = build_head(
        template.anatomy, image=template.image, scalp=template.scalp, edge_mm=edge_mm, template=template.anatomy
    )
    if not head.anatomy.own:
        return replace(model, approximate=True), template.scalp
    return carry_head(template.anatomy, template.scalp, model, head.anatomy, edge_mm=edge_mm)


def _of_other_program(path: Path, labels: str | None, *, frame: str, edge_mm: float) -> HeadModel:
    """Read a tissue-label image or a tetrahedral mesh."""
    name = path.name.lower()
    if name.endswith(".msh"):
        mesh = files.read_mesh(path, frame=frame)
        named = _labels(labels, np.unique(mesh.region), source=str(path))
        return head_from_mesh(mesh, labels=named, edge_mm=edge_mm)
    if name.endswith((".nii", ".nii.gz", ".mgz", ".mgh")):
        image = files.read_image(path, frame=frame)
        named = _labels(labels, np.unique(image.data), source=str(path))
        return head_from_labels(image, labels=named, edge_mm=edge_mm)
    raise OptionError(
        "this is neither a label image nor a mesh",
        where=path,
        fix="give --head-model a .nii.gz or .mgz of tissue labels, or a .msh file",
    )


def _labels(labels: str | None, present: IntArray, *, source: str) -> Mapping[int, str | None]:
    """Return the tissue of each number: a list that comes with the program, the user's own, or the one that fits."""
    path = label_file(labels)
    if path is not None:
        return files.read_tissue_labels(path)
    if labels is None:
        return choose_labels(present, source=source)[1]
    known = known_labels()
    if labels not in known:
        raise OptionError(
            f"there is no list of tissue labels {labels!r}",
            fix=f"choose one of {', '.join(known)}, or give a .toml or .json file",
        )
    return known[labels]


def label_file(labels: str | None) -> Path | None:
    """Return the file of a label map; None for the name of one that comes with the program."""
    return Path(labels) if labels is not None and Path(labels).suffix.lower() in (".toml", ".json") else None


def _scalp_of(model: HeadModel) -> Scalp:
    affine = np.diag([model.edge_mm] * 3 + [1.0])
    affine[:3, 3] = model.corner_ras
    return scalp_of(model.tissue != AIR, affine, frame=model.frame, source=model.source)


@dataclass(frozen=True, eq=False)
class MissingScalp:
    """What a T1 lacks of the scalp.

    Attributes
    ----------
    scalp : Scalp
    cut : (vertex, 3) float ndarray
        Places of the scalp that are no skin, mm.
    reasons : tuple of str
    """

    scalp: Scalp
    cut: FloatArray
    reasons: tuple[str, ...] = ()

    def near(self, target: Target) -> bool:
        """Tell whether a cut lies where the coil would be laid for a target."""
        return self.near_place(target.xyz_ras)

    def near_place(self, xyz_ras: FloatArray) -> bool:
        """Tell whether a cut lies where the coil would be laid for a place, (3,) mm."""
        if not len(self.cut):
            return False
        entry, _, _ = self.scalp.nearest(xyz_ras)
        return bool(np.linalg.norm(self.cut - entry, axis=1).min() <= _CUT_NEAR_MM)


def missing_scalp(head: Head, scalp: Scalp) -> MissingScalp:
    """Look for cuts in the T1 of a head: a face removed, ends of the image, patches without skull."""
    exam = head.exam
    if exam is None or head.scalp is None:
        return MissingScalp(scalp, np.zeros((0, 3)))
    return MissingScalp(head.scalp, head.scalp.vertices[exam.cut], exam.reasons)


def _to_arrays(made: FieldHead) -> Arrays:
    model, scalp = made.model, made.scalp
    assert model is not None
    said = {
        "frame": model.frame,
        "description": model.description,
        "approximate": model.approximate,
        "source": model.source,
        "notes": list(model.notes),
        "all_notes": list(made.notes),
        "scalp_source": scalp.source,
    }
    return {
        "tissue": model.tissue,
        "corner": model.corner_ras,
        "edge": np.array(model.edge_mm),
        "vertices": scalp.vertices,
        "faces": scalp.faces,
        "normals": scalp.normals,
        "text": np.array(json.dumps(said)),
    }


def _from_arrays(arrays: Arrays) -> FieldHead:
    said = json.loads(str(arrays["text"]))
    model = HeadModel(
        arrays["tissue"],
        arrays["corner"],
        float(arrays["edge"]),
        said["frame"],
        said["description"],
        said["approximate"],
        said["source"],
        tuple(said["notes"]),
    )
    scalp = Scalp(arrays["vertices"], arrays["faces"], arrays["normals"], said["frame"], said["scalp_source"])
    return FieldHead(model, scalp, tuple(said["all_notes"]))
