"""The head that simulated EEG comes from: electrodes, three conducting shells, cortical patches and their leadfield."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.brain import vertex_normals
from actionloop.errors import OptionError
from actionloop.files import template_anatomy, template_grayordinates
from actionloop.phantom.template import template
from actionloop.tmseeg.library import require
from actionloop.types import HEMISPHERES, BoolArray, FloatArray, Hemisphere, IntArray, Montage

MM = 1000.0


@dataclass(frozen=True, eq=False)
class Shells:
    """Three concentric shells and the way from MNI to the head coordinates they lie in.

    Attributes
    ----------
    centre_mm : (3,) float64 ndarray
        Head coordinates.
    radius_mm : float
        Of the scalp.
    mni_to_head : (4, 4) float64 ndarray
        MNI152 mm to head mm.
    model : Any
        MNE's sphere model.
    """

    centre_mm: FloatArray
    radius_mm: float
    mni_to_head: FloatArray
    model: Any


@dataclass(frozen=True, eq=False)
class EegHead:
    """Electrodes, cortical vertices and what each of them gives at each electrode.

    Attributes
    ----------
    montage : Montage
        Without the reference electrode.
    reference_xyz_head_mm : (3,) float64 ndarray
        Of the electrode that recordings are against.
    shells : Shells
    xyz_mni, normals : (source, 3) float64 ndarray
    hemisphere : (source,) str ndarray
        'L' or 'R'.
    vertex : (source,) int ndarray
        On the fsLR-32k mesh of its hemisphere.
    leadfield : (channel + 1, source) float64 ndarray
        Volts for 1 A·m along the outward normal, against a place infinitely far away; the last row is the reference.
    """

    montage: Montage
    reference_xyz_head_mm: FloatArray
    shells: Shells
    xyz_mni: FloatArray
    normals: FloatArray
    hemisphere: Any
    vertex: IntArray
    leadfield: FloatArray

    def recorded(self, values: FloatArray) -> FloatArray:
        """Return potentials of (channel + 1, ...) against the reference electrode, as they are recorded."""
        against: FloatArray = values[:-1] - values[-1:]
        return against

    def to_head(self, xyz_mni: FloatArray) -> FloatArray:
        """Return head coordinates, mm, of MNI coordinates of shape (point, 3)."""
        return _moved(self.shells.mni_to_head, xyz_mni)


def average_reference(values: FloatArray, *, axis: int = 0) -> FloatArray:
    """Return potentials against the mean of all channels."""
    centred: FloatArray = values - values.mean(axis=axis, keepdims=True)
    return centred


@cache
def eeg_head() -> EegHead:
    """Return the head: electrodes of data/tmseeg_simulation.toml over the S1200 midthickness.

    Built once and shared: its arrays cannot be written to.

    Raises
    ------
    OptionError
        MNE is not installed.
    ResourceError
        The surfaces have not been fetched.
    """
    montage, reference = _electrodes()
    shells = _shells(montage)
    vertex, side = _sources()
    anatomy = template_anatomy()
    xyz, normals = np.empty((len(vertex), 3)), np.empty((len(vertex), 3))
    for hemisphere in HEMISPHERES:
        surface, own = anatomy.surface(hemisphere), side == hemisphere
        xyz[own], normals[own] = surface.vertices[vertex[own]], vertex_normals(surface)[vertex[own]]
    field = dipole_leadfield(montage, reference, shells, xyz, normals)
    for array in (xyz, normals, vertex, side, field, reference):
        array.setflags(write=False)
    return EegHead(montage, reference, shells, xyz, normals, side, vertex, field)


def dipole_leadfield(
    montage: Montage, reference_xyz_head_mm: FloatArray, shells: Shells, xyz_mni: FloatArray, direction: FloatArray
) -> FloatArray:
    """Potentials of dipoles in the three shells, from MNE's sphere model.

    Parameters
    ----------
    montage : Montage
    reference_xyz_head_mm : (3,) float ndarray
    shells : Shells
    xyz_mni : (dipole, 3) float ndarray
        Places that stick out of the brain's shell are drawn straight inwards to just below it.
    direction : (dipole, 3) float ndarray
        Unit vectors in MNI.

    Returns
    -------
    (channel + 1, dipole) float64 ndarray
        V for 1 A·m; electrodes on the outer sphere; the last row is the reference electrode.
    """
    mne = require("mne")
    settings = facts.load("tmseeg_simulation")["head"]
    names = [*montage.names, "reference"]
    above = np.vstack([montage.xyz_head_mm, reference_xyz_head_mm]) - shells.centre_mm
    above *= shells.radius_mm / np.linalg.norm(above, axis=1, keepdims=True)  # MNE takes electrodes where they are
    places = (above + shells.centre_mm) / MM
    info = mne.create_info(names, 1000.0, "eeg", verbose="ERROR")
    info.set_montage(mne.channels.make_dig_montage(dict(zip(names, places, strict=True)), coord_frame="head"))
    inward = _moved(shells.mni_to_head, xyz_mni) - shells.centre_mm
    far = np.linalg.norm(inward, axis=1, keepdims=True)
    deepest = settings["deepest_share"] * settings["relative_radii"][0] * shells.radius_mm
    inside = inward * np.minimum(1.0, deepest / far) + shells.centre_mm
    turned = direction @ shells.mni_to_head[:3, :3].T
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    position = {"rr": inside / MM, "nn": turned}
    source = mne.setup_volume_source_space(pos=position, sphere_units="m", verbose="ERROR")
    forward = mne.make_forward_solution(
        info, trans=None, src=source, bem=shells.model, meg=False, eeg=True, mindist=0.0, n_jobs=1, verbose="ERROR"
    )
    free = forward["sol"]["data"].reshape(len(names), -1, 3)
    if free.shape[1] != len(xyz_mni):
        raise OptionError(f"{len(xyz_mni) - free.shape[1]} dipoles lie outside the brain's shell", fix="move them")
    gain: FloatArray = np.einsum("cdk,dk->cd", free, turned)
    return gain


def _electrodes() -> tuple[Montage, FloatArray]:
    """Return the electrodes on MNE's head, and the place of the reference, in head mm."""
    mne = require("mne")
    settings = facts.load("tmseeg_simulation")["head"]
    standard = mne.channels.make_standard_montage(settings["montage"])
    to_head = mne.channels.compute_native_head_t(standard)["trans"]
    places = standard.get_positions()["ch_pos"]
    names = tuple(settings["channels"])
    metres = np.array([places[name] for name in (*names, settings["reference"])])
    xyz = _moved(to_head, metres) * MM
    return Montage(names, xyz[:-1]), xyz[-1]


def _shells(montage: Montage) -> Shells:
    """Fit the scalp's sphere to the electrodes, and put skull and brain into it."""
    mne = require("mne")
    settings = facts.load("tmseeg_simulation")["head"]
    info = mne.create_info(list(montage.names), 1000.0, "eeg", verbose="ERROR")
    places = dict(zip(montage.names, montage.xyz_head_mm / MM, strict=True))
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    radius, centre, _ = mne.bem.fit_sphere_to_headshape(info, dig_kinds=("eeg",), units="m", verbose="ERROR")
    model = mne.make_sphere_model(
        r0=centre,
        head_radius=radius,
        relative_radii=settings["relative_radii"],
        sigmas=settings["conductivity_s_per_m"],
        verbose="ERROR",
    )
    standard = mne.channels.make_standard_montage(settings["montage"])
    to_head = np.array(mne.channels.compute_native_head_t(standard)["trans"])
    to_head[:3, 3] *= MM
    mni = to_head @ np.linalg.inv(np.vstack([settings["mni305_to_mni152"], [0.0, 0.0, 0.0, 1.0]]))
    return Shells(centre * MM, float(radius) * MM, mni, model)


def _sources() -> tuple[IntArray, Any]:
    """Return cortical vertices spread evenly over the sphere, and their hemispheres."""
    from scipy.spatial import cKDTree

    count = facts.load("tmseeg_simulation")["head"]["sources_per_hemisphere"]
    turns = np.arange(count) * np.pi * (3 - np.sqrt(5))
    height = 1 - (2 * np.arange(count) + 1) / count
    flat = np.sqrt(1 - height**2)
    even = np.column_stack([flat * np.cos(turns), flat * np.sin(turns), height])
    axis = template_grayordinates()
    vertices, sides = [], []
    for hemisphere, rows in zip(HEMISPHERES, (axis.left, axis.right), strict=True):
        sphere = template().sides[hemisphere].sphere.vertices
        unit = sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
        nearest = np.unique(cKDTree(unit).query(even)[1])
        vertices.append(nearest[_cortical(hemisphere, rows)[nearest]])
        sides.append(np.full(len(vertices[-1]), hemisphere))
    return np.concatenate(vertices), np.concatenate(sides)


def _cortical(hemisphere: Hemisphere, rows: IntArray) -> BoolArray:
    mask = np.zeros(template().sides[hemisphere].midthickness.n_vertices, dtype=np.bool_)
    mask[rows] = True
    return mask


def _moved(affine: FloatArray, xyz: FloatArray) -> FloatArray:
    moved: FloatArray = np.asarray(xyz) @ affine[:3, :3].T + affine[:3, 3]
    return moved
