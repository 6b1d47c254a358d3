"""Geometry of one head: surfaces, rows of a CIFTI axis, images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import GeometryError
from actionloop.types.basic import FSLR32K_VERTICES, HEMISPHERES, FloatArray, Hemisphere, IntArray, SurfaceKind


@dataclass(frozen=True, eq=False)
class Surface:
    """One hemisphere's triangle mesh.

    Attributes
    ----------
    vertices : (vertex, 3) float64 ndarray
        RAS mm in `frame`.
    faces : (face, 3) int64 ndarray
        Vertex indices, counter-clockwise seen from outside.
    hemisphere : {'L', 'R'}
    kind : str
        'white', 'pial', 'midthickness', 'inflated' or 'sphere'.
    frame : str
        Name of the coordinate frame, for example 'sub-01 T1w' or 'MNI152NLin6Asym'.
    source : str
        File the surface came from.

    Raises
    ------
    GeometryError
        Wrong shapes, indices out of range, coordinates not finite, or (for white, pial and midthickness) the
        mesh lies on the other side of the midline than `hemisphere` says.
    """

    vertices: FloatArray
    faces: IntArray
    hemisphere: Hemisphere
    kind: SurfaceKind
    frame: str
    source: str = ""

    def __post_init__(self) -> None:
        where = self.source or None
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3:
            raise GeometryError(f"expected vertices of shape (vertex, 3), found {self.vertices.shape}", where=where)
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise GeometryError(f"expected faces of shape (face, 3), found {self.faces.shape}", where=where)
        if not np.isfinite(self.vertices).all():
            raise GeometryError("surface coordinates hold NaN or infinite values", where=where)
        if self.faces.size and (self.faces.min() < 0 or self.faces.max() >= len(self.vertices)):
            raise GeometryError(f"faces name vertices outside 0..{len(self.vertices) - 1}", where=where)
        if self.kind in ("white", "pial", "midthickness"):
            mean_x = float(self.vertices[:, 0].mean())
            if (mean_x > 0) != (self.hemisphere == "R"):
                raise GeometryError(
                    f"the surface given as hemisphere {self.hemisphere} lies on the other side "
                    f"(mean x = {mean_x:+.1f} mm, RAS: left is negative)",
                    where=where,
                    fix="left and right files are probably exchanged; check names and contents before anything else",
                )

    @property
    def n_vertices(self) -> int:
        """Number of vertices."""
        return len(self.vertices)


@dataclass(frozen=True, eq=False)
class Voxels:
    """The volume part of a CIFTI axis.

    Attributes
    ----------
    ijk : (voxel, 3) int ndarray
    structure : (voxel,) str ndarray
        CIFTI structure name of each voxel.
    affine : (4, 4) float ndarray
        ijk to RAS mm.
    shape : tuple of 3 int
    """

    ijk: IntArray
    structure: NDArray[np.str_]
    affine: FloatArray
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.ijk)


@dataclass(frozen=True, eq=False)
class Grayordinates:
    """Which cortical vertices (and voxels) the rows of a map stand for: left, right, then voxels.

    Attributes
    ----------
    left, right : (row,) int ndarray
        Vertex index of each left and each right row, ascending.
    n_vertices : int
        Vertices of each hemisphere's full mesh (32,492 for fsLR-32k).
    voxels : Voxels or None
    """

    left: IntArray
    right: IntArray
    n_vertices: int = FSLR32K_VERTICES
    voxels: Voxels | None = None

    def __post_init__(self) -> None:
        for name, rows in (("left", self.left), ("right", self.right)):
            if rows.size and (rows.min() < 0 or rows.max() >= self.n_vertices or (np.diff(rows) <= 0).any()):
                raise GeometryError(f"{name} rows must be ascending vertex indices below {self.n_vertices}")

    @property
    def n_cortex(self) -> int:
        """Number of cortical rows."""
        return len(self.left) + len(self.right)

    def __len__(self) -> int:
        return self.n_cortex + (0 if self.voxels is None else len(self.voxels))

    def rows(self, hemisphere: Hemisphere) -> slice:
        """Rows of one hemisphere."""
        return slice(0, len(self.left)) if hemisphere == "L" else slice(len(self.left), self.n_cortex)

    def vertices(self, hemisphere: Hemisphere) -> IntArray:
        """Vertex index of each row of one hemisphere."""
        return self.left if hemisphere == "L" else self.right

    def to_mesh(self, values: NDArray[Any], hemisphere: Hemisphere, *, fill: Any = 0) -> NDArray[Any]:
        """Spread the last axis (grayordinate) of `values` over one hemisphere's full mesh."""
        mesh = np.full((*values.shape[:-1], self.n_vertices), fill, dtype=values.dtype)
        mesh[..., self.vertices(hemisphere)] = values[..., self.rows(hemisphere)]
        return mesh

    def from_mesh(self, left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
        """Gather cortical rows from two full-mesh arrays (last axis vertex)."""
        return np.concatenate([left[..., self.left], right[..., self.right]], axis=-1)

    def cortex(self) -> Grayordinates:
        """Return the same axis without voxels."""
        return Grayordinates(self.left, self.right, self.n_vertices)

    def same_rows(self, other: Grayordinates) -> bool:
        """Tell whether two axes have the same rows, voxels included."""
        if not self.same_cortex(other) or len(self) != len(other):
            return False
        if self.voxels is None or other.voxels is None:
            return self.voxels is other.voxels
        return np.array_equal(self.voxels.ijk, other.voxels.ijk) and np.allclose(
            self.voxels.affine, other.voxels.affine
        )

    def same_cortex(self, other: Grayordinates) -> bool:
        """Tell whether two axes have the same cortical rows."""
        return (
            self.n_vertices == other.n_vertices
            and np.array_equal(self.left, other.left)
            and np.array_equal(self.right, other.right)
        )


@dataclass(frozen=True)
class ImageTie:
    """Which image a place in mm belongs to: nothing is exported for another one.

    Attributes
    ----------
    frame : str
        Name of the frame.
    header_sha256 : str
        Hash of shape, sform, qform and their codes.
    voxels_sha256 : str
        Hash of the voxels: two people scanned alike share a header. Empty where only the header is known (a file of
        another program, or of an earlier version).
    form : str
        What names the frame, e.g. 'sform, code 1'; empty when unknown.
    """

    frame: str
    header_sha256: str = ""
    voxels_sha256: str = ""
    form: str = ""

    def why_not(self, other: ImageTie) -> str:
        """Say why a place tied to this image may not be used on another one; empty where it may."""
        if not self.header_sha256:
            return f"is tied to no image (frame {self.frame!r})"
        if self.header_sha256 != other.header_sha256:
            return (
                f"was made on another image: its header is {self.header_sha256[:12]}, this one's "
                f"{other.header_sha256[:12] or 'unknown'}"
            )
        if self.voxels_sha256 and other.voxels_sha256 and self.voxels_sha256 != other.voxels_sha256:
            return (
                "was made on another scan with the same header: voxels "
                f"{self.voxels_sha256[:12]}, here {other.voxels_sha256[:12]}; another person, or a changed image"
            )
        if self.frame != other.frame:
            return f"belongs to the frame {self.frame!r}, not to {other.frame!r}"
        return ""


@dataclass(frozen=True, eq=False)
class Image:
    """A volume.

    Attributes
    ----------
    data : (i, j, k) ndarray
    affine : (4, 4) float ndarray
        ijk to RAS mm.
    frame : str
        Name of the coordinate frame the affine leads to.
    source : str
    header_sha256 : str
        Hash of shape, sform, qform and their codes.
    voxels_sha256 : str
        Hash of the values.
    form_codes : (int, int)
        qform and sform codes; (0, 0) when unknown.
    forms_agree : bool
        False when both codes are set and the two affines differ.
    """

    data: NDArray[Any]
    affine: FloatArray
    frame: str
    source: str = ""
    header_sha256: str = ""
    form_codes: tuple[int, int] = (0, 0)
    forms_agree: bool = True
    voxels_sha256: str = ""

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise GeometryError(f"expected a 3-D image, found shape {self.data.shape}", where=self.source or None)
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all() or np.linalg.det(self.affine[:3, :3]) == 0:
            raise GeometryError("the image has no usable affine", where=self.source or None)

    @property
    def tie(self) -> ImageTie:
        """What poses and targets on this image are tied to."""
        q_code, s_code = self.form_codes
        form = f"sform, code {s_code}" if s_code > 0 else f"qform, code {q_code}" if q_code > 0 else ""
        return ImageTie(self.frame, self.header_sha256, self.voxels_sha256, form)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One head's cortex on fsLR-32k: surfaces that share vertices, plus sulcal depth.

    Attributes
    ----------
    surfaces : mapping of (hemisphere, kind) to Surface
        Always white, pial, midthickness and inflated of both hemispheres.
    sulc : mapping of hemisphere to (vertex,) float ndarray
        Sulcal depth, positive on gyral crowns (HCP sign), arbitrary units.
    frame : str
    own : bool
        True when these are the person's own surfaces, False for the template's.
    description : str
        For the report, e.g. 'template anatomy (S1200 average in MNI152NLin6Asym)'.
    """

    surfaces: Mapping[tuple[Hemisphere, SurfaceKind], Surface]
    sulc: Mapping[Hemisphere, FloatArray]
    frame: str
    own: bool
    description: str

    def __post_init__(self) -> None:
        for hemisphere in HEMISPHERES:
            for kind in ("white", "pial", "midthickness", "inflated"):
                surface = self.surfaces.get((hemisphere, kind))
                if surface is None:
                    raise GeometryError(f"the {kind} surface of hemisphere {hemisphere} is missing")
                if surface.n_vertices != FSLR32K_VERTICES:
                    raise GeometryError(
                        f"expected {FSLR32K_VERTICES} vertices (fsLR-32k), found {surface.n_vertices}",
                        where=surface.source,
                    )

    def surface(self, hemisphere: Hemisphere, kind: SurfaceKind = "midthickness") -> Surface:
        """Return one surface."""
        return self.surfaces[hemisphere, kind]
