"""Where to stimulate: coil poses, conventional sites, targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from actionloop.errors import GeometryError
from actionloop.types.basic import FloatArray, Hemisphere
from actionloop.types.geometry import ImageTie
from actionloop.types.maps import Piece


def require_pose(matrix: FloatArray, who: str) -> None:
    """Refuse what is no right-handed rotation with a place.

    Parameters
    ----------
    matrix : (4, 4) float ndarray
    who : str
        Beginning of the sentence, e.g. "coil pose 'SCAN middle L'".

    Raises
    ------
    GeometryError
        Another shape, values that are not finite, shear, or one flipped axis.
    """
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise GeometryError(f"{who} is not a finite 4 x 4 matrix")
    turn = matrix[:3, :3]
    if not np.allclose(turn.T @ turn, np.eye(3), atol=1e-3) or np.linalg.det(turn) < 0:
        raise GeometryError(
            f"{who} is not a right-handed rotation (determinant {np.linalg.det(turn):+.3f}; shear or one flipped axis)"
        )


@dataclass(frozen=True, eq=False)
class CoilPose:
    """A coil's place and direction: SimNIBS convention (x = y × z, y away from the handle, z into the head).

    Attributes
    ----------
    matrix : (4, 4) float64 ndarray
        Coil axes in columns, RAS mm of the image's frame, determinant +1.
    tie : ImageTie
        The image that it belongs to.
    label : str
    note : str
        E.g. 'geometric, no field yet'.
    """

    matrix: FloatArray
    tie: ImageTie
    label: str
    note: str = ""

    def __post_init__(self) -> None:
        require_pose(self.matrix, f"coil pose {self.label!r}")


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
    tie : ImageTie or None
        The image that its place belongs to; None on surfaces without one.
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
    tie: ImageTie | None = None
    site_distance_mm: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name with side, e.g. 'SCAN middle L'."""
        return f"{self.piece.name} {self.piece.hemisphere}"
