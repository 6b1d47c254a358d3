"""The frozen dataclasses that travel between rooms; each checks itself once, where it is made.

Axes have fixed words: vertex (of one hemisphere's mesh), grayordinate (row of a CIFTI axis), frame (time),
network. Coordinates are RAS millimetres of the frame that the object names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import GeometryError, PriorError, SignalError

Hemisphere = Literal["L", "R"]
HEMISPHERES: tuple[Hemisphere, Hemisphere] = get_args(Hemisphere)
SurfaceKind = Literal["white", "pial", "midthickness", "inflated", "sphere"]

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]

FSLR32K_VERTICES = 32_492
_SLACK = 1e-3


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


@dataclass(frozen=True, eq=False)
class Timeseries:
    """A BOLD series.

    Attributes
    ----------
    data : (frame, grayordinate) float32 ndarray
    grayordinates : Grayordinates
    tr_s : float
        Repetition time in seconds.
    source : str
        File or files it came from.
    steps : tuple of str
        What was done to it so far, in words fit for the methods paragraph.

    Raises
    ------
    SignalError
        Shape mismatch, NaN, every row zero, or a repetition time that is missing or in milliseconds.
    """

    data: FloatArray
    grayordinates: Grayordinates
    tr_s: float
    source: str = ""
    steps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = self.source or None
        if self.data.ndim != 2 or self.data.shape[1] != len(self.grayordinates):
            raise SignalError(
                f"expected a series of shape (frame, {len(self.grayordinates)}), found {self.data.shape}", where=where
            )
        if not self.tr_s > 0:
            raise SignalError(
                "the repetition time (TR) is missing", where=where, fix="give it in seconds with --tr, e.g. --tr 0.8"
            )
        if self.tr_s > 20:
            raise SignalError(
                f"the repetition time is {self.tr_s:g} s, which looks like milliseconds",
                where=where,
                fix=f"correct the file, or give it in seconds with --tr {self.tr_s / 1000:g}",
            )
        if not np.isfinite(self.data).all():
            raise SignalError(
                "the series holds NaN or infinite values", where=where, fix="check the denoising step that wrote it"
            )
        if not self.data.any():
            raise SignalError("the series is zero everywhere", where=where, fix="check the file; it holds no signal")

    def cortex(self) -> Timeseries:
        """Return the series of the cortical rows alone; the data are shared."""
        return replace(
            self, data=self.data[:, : self.grayordinates.n_cortex], grayordinates=self.grayordinates.cortex()
        )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.data.shape[0])

    @property
    def minutes(self) -> float:
        """Length in minutes."""
        return self.n_frames * self.tr_s / 60


@dataclass(frozen=True, eq=False)
class Basis:
    """A series in few dimensions that keep its correlations (see `signal.compress`).

    Attributes
    ----------
    data : (dimension, grayordinate) float32 ndarray
        The dot product of two columns is the Pearson correlation of two grayordinates, to within `error`; 0 in columns
        of grayordinates that are constant.
    grayordinates : Grayordinates
    valid : (grayordinate,) bool ndarray
        Grayordinates that vary.
    n_frames : int
        Frames that were compressed.
    tr_s : float
    error : float
        Upper bound of the error of any correlation.
    source : str
    steps : tuple of str
        As in `Timeseries`.
    frames : (frame, dimension) float32 ndarray or None
        Orthonormal directions of the frame axis that the dimensions stand for, where they were kept.
    """

    data: FloatArray
    grayordinates: Grayordinates
    valid: BoolArray
    n_frames: int
    tr_s: float
    error: float
    source: str = ""
    steps: tuple[str, ...] = ()
    frames: FloatArray | None = None

    def __post_init__(self) -> None:
        n_rows = len(self.grayordinates)
        if self.data.ndim != 2 or self.data.shape[1] != n_rows or self.valid.shape != (n_rows,):
            raise SignalError(
                f"expected a basis of shape (dimension, {n_rows}), found {self.data.shape}", where=self.source or None
            )

    @property
    def n_dimensions(self) -> int:
        """Number of dimensions kept."""
        return int(self.data.shape[0])

    @property
    def minutes(self) -> float:
        """Length in minutes of the series that was compressed."""
        return self.n_frames * self.tr_s / 60


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
        Hash of shape, affine, qform and sform codes: what a coil pose is tied to.
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

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise GeometryError(f"expected a 3-D image, found shape {self.data.shape}", where=self.source or None)
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all() or np.linalg.det(self.affine[:3, :3]) == 0:
            raise GeometryError("the image has no usable affine", where=self.source or None)


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


@dataclass(frozen=True, eq=False)
class GroupParameters:
    """What a group of people says of the networks' connectivity profiles, for the hierarchical model.

    Attributes
    ----------
    names : tuple of str
        Networks.
    mu : (network, seed) float ndarray
        Mean profile of each network: sums to 0, length 1.
    epsilon : (network,) float ndarray
        Concentration of people's mean profiles around `mu` (inter-subject).
    sigma : (network,) float ndarray
        Concentration of sessions' mean profiles around the person's (intra-subject).
    kappa : (network,) float ndarray
        Concentration of rows' profiles around their network's in a session.
    seeds : (seed, 2) int ndarray
        Cortical rows as (hemisphere, vertex); hemisphere 0 left, 1 right.
    n_people : int
        How many people were trained on; 0 where the parameters come from a prior alone.
    source : str

    Raises
    ------
    PriorError
        Shapes that do not fit, values that are not finite, mean profiles that are no directions, concentrations not
        above 0, or seeds that are none.
    """

    names: tuple[str, ...]
    mu: FloatArray
    epsilon: FloatArray
    sigma: FloatArray
    kappa: FloatArray
    seeds: IntArray
    n_people: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        where = self.source or None
        if self.mu.shape != (len(self.names), len(self.seeds)) or self.seeds.shape[1:] != (2,):
            raise PriorError(
                f"expected mean profiles of shape ({len(self.names)}, {len(self.seeds)}) with seeds as (hemisphere, "
                f"vertex), found {self.mu.shape} and {self.seeds.shape}",
                where=where,
            )
        for name, values in (("epsilon", self.epsilon), ("sigma", self.sigma), ("kappa", self.kappa)):
            if values.shape != (len(self.names),) or not (np.isfinite(values) & (values > 0)).all():
                raise PriorError(f"expected {name} above 0 for each of {len(self.names)} networks", where=where)
        if not np.isfinite(self.mu).all():
            raise PriorError("mean profiles hold NaN or infinite values", where=where)
        off = np.abs(np.concatenate([self.mu.sum(axis=1), np.linalg.norm(self.mu, axis=1) - 1]))
        if (off > _SLACK).any():
            raise PriorError("expected mean profiles that sum to 0 and have length 1 over the seeds", where=where)
        sides, vertices = self.seeds[:, 0], self.seeds[:, 1]
        distinct = len(np.unique(self.seeds, axis=0)) == len(self.seeds)
        if not (distinct and np.isin(sides, (0, 1)).all() and (vertices >= 0).all()):
            raise PriorError("expected distinct seeds as (hemisphere 0 or 1, vertex)", where=where)

    @property
    def n_dimensions(self) -> int:
        """Dimensions of the space of profiles, which sum to 0 over the seeds."""
        return len(self.seeds) - 1


@dataclass(frozen=True, eq=False)
class Prior:
    """What is known of the networks before this person was scanned.

    Attributes
    ----------
    names : tuple of str
        Network names, in the order of the network axis; 'SCAN' and 'AMN' among them for targeting.
    keys : (network,) int ndarray
        Label values, above 0.
    colours : (network, 3) float ndarray
        RGB, 0 to 1.
    probability : (network, grayordinate) float32 ndarray
        Spatial probability; columns sum to at most 1.
    grayordinates : Grayordinates
    fingerprint : (network, grayordinate) float32 ndarray or None
        Connectivity of each network with each grayordinate (Pearson r), where known.
    source, terms : str
        Where it came from and under which terms.
    group : GroupParameters or None
        Of the same networks, on the same mesh; where people were trained on.

    Raises
    ------
    PriorError
        Shapes that do not fit, values that are no probabilities, networks without a row, or group parameters of other
        networks or another mesh.
    """

    names: tuple[str, ...]
    keys: IntArray
    colours: FloatArray
    probability: FloatArray
    grayordinates: Grayordinates
    fingerprint: FloatArray | None = None
    source: str = ""
    terms: str = ""
    group: GroupParameters | None = None

    def __post_init__(self) -> None:
        shape = (len(self.names), len(self.grayordinates))
        where = self.source or None
        if self.probability.shape != shape:
            raise PriorError(
                f"expected prior probabilities of shape {shape}, found {self.probability.shape}", where=where
            )
        if self.fingerprint is not None and self.fingerprint.shape != shape:
            raise PriorError(
                f"expected prior fingerprints of shape {shape}, found {self.fingerprint.shape}", where=where
            )
        if len(self.keys) != shape[0] or len(self.colours) != shape[0] or len(set(self.names)) != shape[0]:
            raise PriorError("a prior needs one distinct name, key and colour per network", where=where)
        if not np.isfinite(self.probability).all() or self.probability.min() < 0:
            raise PriorError("prior probabilities must be finite and not negative", where=where)
        if self.probability.sum(axis=0).max() > 1.001:
            raise PriorError("prior probabilities of some grayordinates sum to more than 1", where=where)
        empty = [n for n, p in zip(self.names, self.probability, strict=True) if not p.any()]
        if empty:
            raise PriorError(f"networks without any grayordinate in the prior: {', '.join(empty)}", where=where)
        if self.group is not None and self.group.names != self.names:
            raise PriorError(
                f"the group parameters are of {', '.join(self.group.names)}, the prior of {', '.join(self.names)}",
                where=where,
            )
        if self.group is not None and self.group.seeds[:, 1].max() >= self.grayordinates.n_vertices:
            raise PriorError(
                f"the group parameters have seeds beyond the {self.grayordinates.n_vertices} vertices of a hemisphere",
                where=where,
            )

    def index(self, name: str) -> int:
        """Position of a network on the network axis."""
        try:
            return self.names.index(name)
        except ValueError:
            raise PriorError(f"the prior has no network {name!r} (it has {', '.join(self.names)})") from None


@dataclass(frozen=True, eq=False)
class NetworkMap:
    """One person's networks.

    Attributes
    ----------
    names, keys, colours
        As in `Prior`.
    probability : (network, grayordinate) float32 ndarray
        How well each network fits, 0 to 1 by `measure`; 0 where there are no data.
    label : (grayordinate,) int ndarray
        Key of the winning network after cleaning; 0 where unassigned or without data.
    confidence : (grayordinate,) float32 ndarray
        0 to 1: winning probability minus runner-up.
    grayordinates : Grayordinates
    method : str
    settings : mapping
        Every option that shaped the map.
    measure : str
        What `probability` holds: 'probability' sums to 1 over networks; 'eta²', 'Dice' and the like do not.
    """

    names: tuple[str, ...]
    keys: IntArray
    colours: FloatArray
    probability: FloatArray
    label: IntArray
    confidence: FloatArray
    grayordinates: Grayordinates
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    measure: str = "probability"

    def __post_init__(self) -> None:
        n_rows = len(self.grayordinates)
        if self.probability.shape != (len(self.names), n_rows) or self.label.shape != (n_rows,):
            raise PriorError("map arrays do not fit the network and grayordinate axes")

    def cortex(self) -> NetworkMap:
        """Return the map's cortical rows alone."""
        n_cortex = self.grayordinates.n_cortex
        return replace(
            self,
            probability=self.probability[:, :n_cortex],
            label=self.label[:n_cortex],
            confidence=self.confidence[:n_cortex],
            grayordinates=self.grayordinates.cortex(),
        )

    def without(self, rows: BoolArray) -> NetworkMap:
        """Return the map with some rows, (grayordinate,), unassigned and their values 0."""
        label, confidence, probability = self.label.copy(), self.confidence.copy(), self.probability.copy()
        label[rows], confidence[rows], probability[:, rows] = 0, 0, 0
        return replace(self, label=label, confidence=confidence, probability=probability)

    def key(self, name: str) -> int:
        """Label value of a network."""
        if name not in self.names:
            raise PriorError(f"the map has no network {name!r} (it has {', '.join(self.names)})")
        return int(self.keys[self.names.index(name)])

    def members(self, name: str) -> BoolArray:
        """Mask of the grayordinates labelled with a network; shape (grayordinate,)."""
        mask: BoolArray = self.label == self.key(name)
        return mask


@dataclass(frozen=True, eq=False)
class Piece:
    """One connected piece of a network on one hemisphere: a SCAN node, an AMN region or island.

    Attributes
    ----------
    name : str
        E.g. 'SCAN middle', 'AMN dlPFC 1'.
    network : str
    hemisphere : {'L', 'R'}
    vertices : (member,) int ndarray
        Mesh vertex indices.
    area_mm2 : float
    centre_vertex, peak_vertex : int
        Vertex nearest the area-weighted centroid; vertex of highest probability.
    centre_ras, centre_mni, peak_ras, peak_mni : (3,) float ndarray
        mm, midthickness; _ras in the frame of the anatomy used.
    mean_probability, peak_probability : float
    mean_confidence : float
    depth_mm : float or None
        From `centre_ras` to the nearest scalp point; None without a scalp.
    """

    name: str
    network: str
    hemisphere: Hemisphere
    vertices: IntArray
    area_mm2: float
    centre_vertex: int
    centre_ras: FloatArray
    centre_mni: FloatArray
    peak_vertex: int
    peak_ras: FloatArray
    peak_mni: FloatArray
    mean_probability: float
    peak_probability: float
    mean_confidence: float
    depth_mm: float | None = None


@dataclass(frozen=True, eq=False)
class CoilPose:
    """A coil's place and direction: SimNIBS convention (x = y × z, y away from the handle, z into the head).

    Attributes
    ----------
    matrix : (4, 4) float64 ndarray
        Coil axes in columns, RAS mm of `frame`, determinant +1.
    frame : str
    image_sha256 : str
        `Image.header_sha256` of the image it is tied to.
    label : str
    note : str
        E.g. 'geometric, no field yet'.
    """

    matrix: FloatArray
    frame: str
    image_sha256: str
    label: str
    note: str = ""

    def __post_init__(self) -> None:
        rotation = self.matrix[:3, :3]
        if self.matrix.shape != (4, 4) or not np.isfinite(self.matrix).all():
            raise GeometryError(f"coil pose {self.label!r} is not a finite 4 x 4 matrix")
        if not np.allclose(rotation.T @ rotation, np.eye(3), atol=1e-3) or np.linalg.det(rotation) < 0:
            raise GeometryError(
                f"coil pose {self.label!r} is not a right-handed rotation (determinant "
                f"{np.linalg.det(rotation):+.3f}; shear or one flipped axis)"
            )


@dataclass(frozen=True, eq=False)
class SiteReading:
    """A conventional stimulation site, and what it would hit in this person.

    Attributes
    ----------
    site : str
        E.g. 'M1 hand knob', 'Beam F3'.
    hemisphere : {'L', 'R'}
    xyz_mni, xyz_ras : (3,) float ndarray
        mm; on the cortex.
    network : str
        This person's network there ('unassigned' if none).
    network_probability : float
    source : str
    """

    site: str
    hemisphere: Hemisphere
    xyz_mni: FloatArray
    xyz_ras: FloatArray
    network: str
    network_probability: float
    source: str


@dataclass(frozen=True, eq=False)
class Target:
    """A candidate place to stimulate.

    Attributes
    ----------
    rank : int
        1 is best.
    piece : Piece
        The node or island it belongs to.
    vertex : int
        Mesh vertex aimed at.
    xyz_ras, xyz_mni : (3,) float ndarray
        mm, midthickness at `vertex`; _ras in the exported frame.
    score : float
        0 to 1.
    terms : mapping of str to float
        Each ingredient of the score, 0 to 1, before weighting.
    reasons : tuple of str
        Sentences for the report.
    neighbour_distance_mm : mapping of str to float
        Geodesic distance from `vertex` to each neighbouring network of interest.
    sulcal_depth : float
    entry_ras : (3,) float ndarray or None
        Scalp point; None without a scalp.
    scalp_distance_mm : float or None
    pose : CoilPose or None
    site_distance_mm : mapping of str to float
        Straight distance to each conventional site of the same hemisphere.
    """

    rank: int
    piece: Piece
    vertex: int
    xyz_ras: FloatArray
    xyz_mni: FloatArray
    score: float
    terms: Mapping[str, float]
    reasons: tuple[str, ...]
    neighbour_distance_mm: Mapping[str, float]
    sulcal_depth: float
    entry_ras: FloatArray | None = None
    scalp_distance_mm: float | None = None
    pose: CoilPose | None = None
    site_distance_mm: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name with side, e.g. 'SCAN middle L'."""
        return f"{self.piece.name} {self.piece.hemisphere}"
