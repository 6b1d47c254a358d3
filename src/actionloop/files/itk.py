"""Affine transforms in ITK's files: text, MATLAB 4 and HDF5."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from actionloop.errors import InputError
from actionloop.files.opening import reading
from actionloop.navigation import LPS_TO_RAS
from actionloop.types import FloatArray

LARGEST_TEXT = 1_000_000  # bytes; an affine has a few hundred
_MOST_PARTS, _MOST_NUMBERS = 16, 32  # of a composite, and of one affine with its centre

Part = tuple[str, FloatArray, FloatArray]


def read_itk(path: Path) -> FloatArray:
    """Read an ITK transform without warps.

    Parameters
    ----------
    path : Path
        .h5, .mat, .txt or .tfm.

    Returns
    -------
    (4, 4) float64 ndarray
        Carries points from the reference (fixed) image to the moving one, RAS mm.

    Raises
    ------
    InputError
        Damaged, too large, nonlinear, or of a kind that is not known.
    """
    if path.suffix == ".h5":
        parts = _itk_h5(path)
    elif path.suffix == ".mat":
        parts = _itk_mat(path)
    else:
        parts = _itk_text(path)
    if len(parts) > 1 and not parts[0][0].startswith("Composite"):
        raise InputError(
            f"the file lists {len(parts)} transforms without saying how they follow one another",
            where=path,
            fix="write them as one composite transform, or give them one by one",
        )
    matrix = np.eye(4)
    # The first of a composite is applied last.
    for kind, parameters, fixed in parts:
        if not kind.startswith("Composite"):
            matrix = matrix @ _itk_matrix(kind, parameters, fixed, path)
    return np.asarray(LPS_TO_RAS @ matrix @ LPS_TO_RAS)


def _itk_text(path: Path) -> list[Part]:
    text = small_text(path)
    if not text.startswith("#Insight Transform File"):
        raise InputError("this is not an ITK transform (no '#Insight Transform File')", where=path)
    parts: list[Part] = []
    for block in re.split(r"^#Transform \d+\s*$", text, flags=re.MULTILINE)[1 : _MOST_PARTS + 2]:
        fields = dict(line.split(":", 1) for line in block.splitlines() if ":" in line)
        kind = fields.get("Transform", "").strip()
        parameters, fixed = (fields.get(name, "").split() for name in ("Parameters", "FixedParameters"))
        _require_small(kind, len(parameters), len(fixed), path)
        first, second = (numbers_in(" ".join(words), len(words), path) for words in (parameters, fixed))
        parts.append((kind, first, second))
    return _require_parts(parts, path)


def _itk_mat(path: Path) -> list[Part]:
    import scipy.io

    if path.stat().st_size > LARGEST_TEXT:
        small_text(path)
    with reading(path, "ITK transform (.mat)"):
        # Shapes first: a compressed file can say that it holds far more than it is long.
        small = [name for name, shape, _ in scipy.io.whosmat(path) if np.prod(shape) <= LARGEST_TEXT]
        stored = scipy.io.loadmat(path, variable_names=small)
    kinds = [name for name in stored if re.search(r"_(?:double|float)_3_3$", name)]
    if len(kinds) == 1 and kinds[0].startswith("Composite"):
        raise InputError("a composite transform does not fit into a .mat file", where=path, fix="write it as .h5")
    if len(kinds) != 1 or "fixed" not in stored or stored[kinds[0]].dtype.kind not in "fiu":
        raise InputError(
            f"expected an ITK transform, found {', '.join(n for n in stored if n[:2] != '__') or 'nothing'}", where=path
        )
    parameters, fixed = (np.ravel(stored[name]).astype(np.float64) for name in (kinds[0], "fixed"))
    _require_small(kinds[0], len(parameters), len(fixed), path)
    return [(kinds[0], parameters, fixed)]


def _itk_h5(path: Path) -> list[Part]:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            "this is an ITK transform in HDF5; reading it needs the extra 'transforms' (h5py)",
            where=path,
            fix="pip install 'actionloop[transforms]', or write the transform as .txt or .mat",
        ) from error
    parts: list[Part] = []
    with reading(path, "ITK transform (.h5)"), h5py.File(path) as file:
        for number in range(min(len(file["TransformGroup"]), _MOST_PARTS + 1)):
            group: Any = file["TransformGroup"][str(number)]
            kind = group["TransformType"][0].decode()
            parameters, fixed = _stored(group, "Parameters"), _stored(group, "FixedParameters")
            _require_small(kind, parameters.size, fixed.size, path)
            parts.append((kind, np.ravel(parameters[()]), np.ravel(fixed[()])))
    return _require_parts(parts, path)


def _stored(group: Any, name: str) -> Any:
    # A composite has none; ITK before 4.9 misspelt the names.
    found = group.get(f"Transform{name}", group.get(f"Tranform{name}"))
    return np.zeros(0) if found is None else found


def _require_parts(parts: list[Part], path: Path) -> list[Part]:
    if not 0 < len(parts) <= _MOST_PARTS:
        raise InputError(f"expected 1 to {_MOST_PARTS} transforms, found {len(parts) or 'none'}", where=path)
    return parts


def _require_small(kind: str, n_parameters: int, n_fixed: int, path: Path) -> None:
    if re.match(r"(?:Displacement|BSpline|GaussianExponential|TimeVarying|ThinPlate)", kind):
        raise InputError(
            f"the registration is nonlinear ({kind}), which is refused for coil poses: a coil has one direction, and a "
            "warp turns each point of it by another angle",
            where=path,
            fix="give the affine or rigid part alone, or register the two images of this head rigidly",
        )
    if max(n_parameters, n_fixed) > _MOST_NUMBERS:
        raise InputError(
            f"{kind or 'a transform'} with {max(n_parameters, n_fixed):,} numbers is no affine", where=path
        )


def _itk_matrix(kind: str, parameters: FloatArray, fixed: FloatArray, path: Path) -> FloatArray:
    """Matrix in LPS: y = A (x - centre) + centre + translation."""
    from scipy.spatial.transform import Rotation

    name, counts = kind.split("Transform", maxsplit=1)[0], (len(parameters), len(fixed))
    if name in ("Affine", "MatrixOffset") and counts == (12, 3):
        turn = parameters[:9].reshape(3, 3)
    elif name == "Euler3D" and counts in ((6, 3), (6, 4)):
        # Upper case: about the axes as they turn, so 'ZXY' is Rz Rx Ry. A fourth fixed number asks for Rz Ry Rx.
        x, y, z = parameters[:3]
        zyx = counts[1] == 4 and fixed[3] != 0
        turn = Rotation.from_euler("ZYX" if zyx else "ZXY", [z, y, x] if zyx else [z, x, y]).as_matrix()
    elif name == "VersorRigid3D" and counts == (6, 3) and (parameters[:3] ** 2).sum() <= 1:
        turn = Rotation.from_quat([*parameters[:3], np.sqrt(1 - (parameters[:3] ** 2).sum())]).as_matrix()
    elif name == "Identity":
        return np.eye(4)
    else:
        raise InputError(
            f"the ITK transform {kind[:60]!r} with {counts[0]} + {counts[1]} numbers is not read",
            where=path,
            fix="write it as AffineTransform, Euler3DTransform or VersorRigid3DTransform",
        )
    if not (np.isfinite(parameters).all() and np.isfinite(fixed).all()):
        raise InputError("the transform holds NaN or infinite values", where=path)
    centre = fixed[:3]
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = centre + parameters[-3:] - turn @ centre
    return matrix


def small_text(path: Path) -> str:
    """Read a text that must be short.

    Raises
    ------
    InputError
    """
    if path.stat().st_size > LARGEST_TEXT:
        raise InputError(
            f"the file has {path.stat().st_size:,} bytes; an affine transform has a few hundred",
            where=path,
            fix="give the affine part alone; nonlinear registrations are refused for poses",
        )
    return path.read_text(encoding="utf-8", errors="replace")


def numbers_in(text: str, count: int, path: Path) -> FloatArray:
    """Read exactly `count` finite numbers.

    Raises
    ------
    InputError
    """
    try:
        found = np.array([float(word) for word in text.split()])
    except ValueError:
        found = np.zeros(0)
    if len(found) != count or not np.isfinite(found).all():
        raise InputError(
            f"expected {count} numbers, found {text[:60]!r}", where=path, fix="the file is truncated or was edited"
        )
    return found
