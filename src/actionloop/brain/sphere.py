"""Carry data between two meshes whose spheres are in register."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.spatial import ConvexHull, QhullError, cKDTree

from actionloop.errors import GeometryError
from actionloop.types import BoolArray, FloatArray, IntArray, Surface

Method = Literal["barycentric", "adaptive", "nearest"]

RADIUS_MM = 100.0
"""Both spheres are scaled to this radius before they are compared."""

_CANDIDATES = (12, 60, 400)
"""How many nearest faces are tried for the points that fewer did not settle."""


def sphere_triangles(vertices: FloatArray) -> IntArray:
    """Triangulate points on a sphere by their convex hull.

    fsaverage5 and fsaverage6 are the first 10,242 and 40,962 vertices of fsaverage, for which no faces are stored.
    Take the faces from the regular fsaverage sphere rather than from a registered (deformed) one.

    Parameters
    ----------
    vertices : (vertex, 3) float ndarray
        Points around the origin, radii equal within a factor of 2.

    Returns
    -------
    (2 vertex - 4, 3) int64 ndarray
        Counter-clockwise seen from outside, sorted.

    Raises
    ------
    GeometryError
        Fewer than 4 points, points in one plane, coinciding points, or all of them on one side of the origin.
    """
    points = _unit(np.asarray(vertices), "the points")
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError) as error:
        raise GeometryError(f"these {len(points)} points cannot be triangulated on a sphere") from error
    if hull.equations[:, 3].max() >= 0:
        raise GeometryError("the points do not surround the origin", fix="give the vertices of a sphere centred on it")
    faces = hull.simplices.astype(np.int64)
    if len(np.unique(faces)) != len(points) or len(faces) != 2 * len(points) - 4:
        raise GeometryError(
            f"{len(points)} points gave {len(faces)} triangles over {len(np.unique(faces))} of them; some coincide"
        )
    corner = points[faces]
    outward = np.einsum("fi,fi->f", np.cross(corner[:, 1], corner[:, 2]), corner[:, 0])
    faces[outward < 0] = faces[outward < 0][:, [0, 2, 1]]
    first = np.argmin(faces, axis=1)
    faces = np.take_along_axis(faces, (first[:, None] + np.arange(3)) % 3, axis=1)
    return faces[np.lexsort(faces.T[::-1])]


def sphere_weights(
    source_sphere: Surface,
    target_sphere: Surface,
    *,
    method: Method = "barycentric",
    source_area: FloatArray | None = None,
    target_area: FloatArray | None = None,
    source_valid: BoolArray | None = None,
) -> sparse.csr_array[Any]:
    """Weights that carry data from one mesh to another over their registered spheres.

    'barycentric' interpolates each target vertex in the source face that holds it. 'adaptive' does the same where
    the target mesh is denser, turns the interpolation round where the source is denser (so that no source vertex is
    lost), and corrects for the area that each vertex stands for. 'nearest' takes the nearest source vertex and is
    meant for labels.

    Parameters
    ----------
    source_sphere, target_sphere : Surface
        In register; their radii may differ.
    method : {'barycentric', 'adaptive', 'nearest'}
    source_area, target_area : (vertex,) float ndarray, optional
        Vertex areas of the anatomical midthickness surfaces of both meshes, mm²; needed by 'adaptive' only.
    source_valid : (source,) bool ndarray, optional
        False where the source has no data (medial wall, dropout). Their weight goes to the valid ones of the same
        target vertex in proportion. A target vertex whose weights are all invalid gets none, so that data reach
        at most one face past the edge of the valid region.

    Returns
    -------
    (target, source) float64 csr_array
        Rows sum to 1, or to 0 where no valid source exists.

    Raises
    ------
    GeometryError
        Spheres, areas or mask that do not fit, or a surface that is no sphere.
    """
    if source_sphere.hemisphere != target_sphere.hemisphere:
        raise GeometryError(
            f"cannot carry data from hemisphere {source_sphere.hemisphere} to {target_sphere.hemisphere}",
            where=", ".join(s.source for s in (source_sphere, target_sphere) if s.source) or None,
        )
    source = _unit(source_sphere.vertices, source_sphere.source or "the source sphere") * RADIUS_MM
    target = _unit(target_sphere.vertices, target_sphere.source or "the target sphere") * RADIUS_MM
    if source_valid is not None and (source_valid.shape != (len(source),) or source_valid.dtype != np.bool_):
        raise GeometryError(f"expected source_valid to be bool of shape ({len(source)},), found {source_valid.shape}")
    weights: Any
    if method == "nearest":
        nearest = cKDTree(source).query(target)[1]
        weights = sparse.csr_array(
            (np.ones(len(target)), (np.arange(len(target)), nearest)), shape=(len(target), len(source))
        )
    elif method == "barycentric":
        weights = _barycentric(source, source_sphere.faces, target)
    elif method == "adaptive":
        area = [_area(source_area, len(source), "source_area"), _area(target_area, len(target), "target_area")]
        weights = _adaptive(
            _barycentric(source, source_sphere.faces, target),
            _barycentric(target, target_sphere.faces, source),
            source_area=area[0],
            target_area=area[1],
        )
    else:
        raise GeometryError(f"unknown resampling method {method!r}; use barycentric, adaptive or nearest")
    if source_valid is not None:
        weights = weights @ sparse.diags_array(source_valid.astype(np.float64))
    return _rows_to_one(weights)


def apply_weights(weights: Any, data: FloatArray) -> FloatArray:
    """Carry data (last axis the source vertex) to the target mesh.

    Parameters
    ----------
    weights : (target, source) sparse array
        From `sphere_weights`.
    data : (..., source) float ndarray
        For example (frame, source).

    Returns
    -------
    (..., target) float ndarray
        float32 for float32 input, otherwise float64.

    Raises
    ------
    GeometryError
        The last axis does not fit.
    """
    data = np.asarray(data)
    if data.ndim == 0 or data.shape[-1] != weights.shape[1]:
        raise GeometryError(f"expected data of {weights.shape[1]} source vertices on the last axis, found {data.shape}")
    kind = np.float32 if data.dtype == np.float32 else np.float64
    flat = data.reshape(-1, data.shape[-1]).astype(kind, copy=False)
    carried = np.ascontiguousarray((weights.astype(kind) @ flat.T).T)
    return carried.reshape(*data.shape[:-1], weights.shape[0])


def _unit(vertices: FloatArray, name: str) -> FloatArray:
    if vertices.ndim != 2 or vertices.shape[1] != 3 or len(vertices) < 4:
        raise GeometryError(f"expected at least 4 points of shape (vertex, 3), found {vertices.shape}", where=name)
    points = np.asarray(vertices, dtype=np.float64)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    if not np.isfinite(points).all() or length.min() <= 0.5 * length.max():
        raise GeometryError("this is not a sphere around the origin", where=name, fix="give the registered sphere file")
    unit: FloatArray = points / length
    return unit


def _area(area: FloatArray | None, n_vertices: int, name: str) -> FloatArray:
    if area is None:
        raise GeometryError(
            f"adaptive resampling needs {name}", fix="give the vertex areas of the midthickness surface of that mesh"
        )
    if area.shape != (n_vertices,) or not np.isfinite(area).all() or area.min() < 0:
        raise GeometryError(f"expected {name} of shape ({n_vertices},), finite and not negative, found {area.shape}")
    return np.asarray(area, dtype=np.float64)


def _rows_to_one(weights: Any) -> sparse.csr_array[Any]:
    total = np.asarray(weights.sum(axis=1)).ravel()
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 1e-12)
    scaled = sparse.csr_array(sparse.diags_array(scale) @ weights)
    scaled.eliminate_zeros()
    scaled.sort_indices()
    return scaled


def _barycentric(vertices: FloatArray, faces: IntArray, points: FloatArray) -> sparse.csr_array[Any]:
    """Weights of each point in the face nearest to it; shape (point, vertex)."""
    centroid = vertices[faces].mean(axis=1)
    tree = cKDTree(centroid)
    # A point may be this far from the flat face below it: twice the rise of the sphere over the face at its middle.
    rise = 2 * (RADIUS_MM - np.linalg.norm(centroid, axis=1)) + 1e-6
    best_face = np.zeros(len(points), dtype=np.int64)
    best_weight = np.zeros((len(points), 3))
    best_distance = np.full(len(points), np.inf)
    open_points = np.arange(len(points))
    for tried in _CANDIDATES:
        near = tree.query(points[open_points], k=min(tried, len(faces)))[1].reshape(len(open_points), -1)
        for column in near.T:
            weight, distance = _closest_in_face(vertices[faces[column]], points[open_points])
            better = distance < best_distance[open_points]
            chosen = open_points[better]
            best_face[chosen] = column[better]
            best_weight[chosen] = weight[better]
            best_distance[chosen] = distance[better]
        open_points = open_points[best_distance[open_points] > rise[best_face[open_points]]]
        if not open_points.size or tried >= len(faces):
            break
    rows = np.repeat(np.arange(len(points)), 3)
    found = sparse.csr_array(
        (best_weight.ravel(), (rows, faces[best_face].ravel())), shape=(len(points), len(vertices))
    )
    found.sum_duplicates()
    found.eliminate_zeros()
    return found


def _closest_in_face(corner: FloatArray, point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Barycentric weights of the point of each triangle (n, 3, 3) nearest each point (n, 3), and its distance."""
    side = np.stack([corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]], axis=1)
    offset = point - corner[:, 0]
    gram = np.einsum("nij,nkj->nik", side, side)
    right = np.einsum("nij,nj->ni", side, offset)
    determinant = gram[:, 0, 0] * gram[:, 1, 1] - gram[:, 0, 1] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        second = (gram[:, 1, 1] * right[:, 0] - gram[:, 0, 1] * right[:, 1]) / determinant
        third = (gram[:, 0, 0] * right[:, 1] - gram[:, 0, 1] * right[:, 0]) / determinant
    weight = np.stack([1 - second - third, second, third], axis=1)
    outside = ~(weight >= 0).all(axis=1)
    weight[outside] = _closest_on_edges(corner[outside], point[outside])
    distance = np.linalg.norm(np.einsum("ni,nij->nj", weight, corner) - point, axis=1)
    return weight, distance


def _closest_on_edges(corner: FloatArray, point: FloatArray) -> FloatArray:
    best = np.zeros((len(corner), 3))
    nearest = np.full(len(corner), np.inf)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        edge = corner[:, end] - corner[:, start]
        length2 = np.maximum(np.einsum("ni,ni->n", edge, edge), 1e-30)
        along = np.clip(np.einsum("ni,ni->n", point - corner[:, start], edge) / length2, 0, 1)
        distance = np.linalg.norm(corner[:, start] + along[:, None] * edge - point, axis=1)
        better = distance < nearest
        nearest[better] = distance[better]
        best[better] = 0
        best[better, start] = 1 - along[better]
        best[better, end] = along[better]
    return best


def _adaptive(forward: Any, reverse: Any, *, source_area: FloatArray, target_area: FloatArray) -> sparse.csr_array[Any]:
    """Choose, per target vertex, forward or transposed reverse weights, then weight by area.

    forward is (target, source), reverse (source, target). Turned round, the reverse weights gather the source
    vertices whose data would go to a target vertex. Where they hold a vertex that the forward weights miss, the
    source is the denser mesh and they are used. Every source vertex then hands out its own area in proportion to
    the chosen weights times the target areas.
    """
    gathered = sparse.csr_array(reverse.T)
    in_both = (forward > 0).astype(np.int32).multiply((gathered > 0).astype(np.int32))
    missed = np.diff(gathered.indptr) > np.asarray(in_both.sum(axis=1)).ravel()
    use_gathered = missed.astype(np.float64)
    chosen = sparse.diags_array(use_gathered) @ gathered + sparse.diags_array(1 - use_gathered) @ forward
    chosen = sparse.diags_array(target_area) @ chosen
    total = np.asarray(chosen.sum(axis=0)).ravel()
    share = np.divide(source_area, total, out=np.zeros_like(total), where=total > 0)
    return sparse.csr_array(chosen @ sparse.diags_array(share))
