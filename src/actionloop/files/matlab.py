"""Network templates in MATLAB files, old (scipy) and version 7.3 (h5py), and in .npz files of the same variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import InputError, PriorError
from actionloop.files.opening import reading
from actionloop.files.templates import template_grayordinates
from actionloop.types import FSLR32K_VERTICES, FloatArray, Grayordinates

# Variables as the makers name them: WashU templates, DCAN seed maps, Lynch's structure Priors.
_TEMPLATES = ("templates", "seed_matrix", "FC")
_IDS = ("IDs", "ids")
_NAMES = ("IDNames", "NetworkLabels", "network_names")
_SPATIAL = "Spatial"
_COLOURS = "NetworkColors"
_CORTEX_ROWS, _ALL_ROWS = 59_412, 91_282
_UNTESTED = "this reader is untested on the real file, which is not public"
# What a file with this variable is taken for; WashU's templates are public, and need no such remark.
_TAKEN_FOR = {"templates": "", "FC": f"read as Lynch priors; {_UNTESTED}"}


class Templates(NamedTuple):
    """Templates and optional spatial probabilities, (network, row).

    `names` and `colours` are None where the file states none; `remark` says what the file was taken for.
    """

    templates: FloatArray
    keys: list[int]
    names: list[str] | None
    spatial: FloatArray | None
    grayordinates: Grayordinates
    colours: list[tuple[float, float, float]] | None = None
    remark: str = ""


def read_templates(path: Path) -> Templates:
    """Read connectivity templates from a MATLAB file, or from a .npz with variables of the same names.

    Known are WashU's ('templates', 'IDs'; names in a file networkTemplateNames.mat beside networkTemplates.mat), DCAN's
    seed maps ('seed_matrix', or a single matrix of any name; without names) and Lynch's structure 'Priors' (FC,
    Spatial, NetworkLabels, NetworkColors), of which the last two are untested on the real files, which are not public.

    Neither format holds an axis: 59,412 rows are taken as the standard cortex, 91,282 as the standard grayordinates
    (whose cortex is kept), 64,984 as both full meshes. IDs are MATLAB positions in the list of names: ID 5 is the
    fifth.

    Raises
    ------
    InputError
        Damaged or of another kind.
    PriorError
        No templates inside or several that could be, rows that fit no axis, or names that do not fit the IDs.
    """
    variables = _read(path)
    name = _find_templates(variables, path)
    templates, grayordinates = _on_cortex(variables[name], path)
    n_networks = len(templates)
    ids = next((variables[key] for key in _IDS if key in variables), None)
    keys = list(range(1, n_networks + 1)) if ids is None else [round(float(value)) for value in np.ravel(ids)]
    if len(keys) != n_networks or min(keys) < 1 or len(set(keys)) != n_networks:
        raise PriorError(f"{len(keys)} network IDs do not fit {n_networks} templates", where=path)
    spatial = None
    if _is_matrix(variables.get(_SPATIAL)):
        spatial, _ = _on_cortex(variables[_SPATIAL], path)
        if spatial.shape != templates.shape:
            raise PriorError(
                f"{_SPATIAL} has {len(spatial)} networks on {spatial.shape[1]} rows and {name} {n_networks} on "
                f"{templates.shape[1]}",
                where=path,
            )
        spatial = np.clip(np.nan_to_num(spatial), 0, None)
    return Templates(
        templates=templates,
        keys=keys,
        names=_find_names(variables, path, keys),
        spatial=spatial,
        grayordinates=grayordinates,
        colours=_find_colours(variables, n_networks),
        remark=_TAKEN_FOR.get(name, f"{name} read as DCAN seed maps; {_UNTESTED}"),
    )


def _find_templates(variables: dict[str, Any], path: Path) -> str:
    """Name of the variable that holds the templates: a known one, else the only matrix on the rows of a brain."""
    name = next((key for key in _TEMPLATES if _is_matrix(variables.get(key))), None)
    if name is not None:
        return name
    sizes = (_CORTEX_ROWS, _ALL_ROWS, 2 * FSLR32K_VERTICES)
    fitting = [key for key, value in variables.items() if _is_matrix(value) and max(value.shape) in sizes]
    if len(fitting) == 1 and fitting[0] != _SPATIAL:
        return fitting[0]
    if len(fitting) > 1:
        raise PriorError(
            f"several matrices could be the connectivity templates: {', '.join(fitting)}",
            where=path,
            fix="keep one of them, or name it seed_matrix",
        )
    raise PriorError(
        f"expected connectivity templates ({' or '.join(_TEMPLATES)}), found {', '.join(variables) or 'nothing'}",
        where=path,
    )


def names_beside(path: Path) -> Path | None:
    """Return the file of network names that belongs to a MATLAB file of templates; None where there is none."""
    if path.suffix.lower() != ".mat":
        return None
    candidates = [path.with_name(f"{stem}Names.mat") for stem in (path.stem, path.stem.removesuffix("s"))]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _find_names(variables: dict[str, Any], path: Path, keys: list[int]) -> list[str] | None:
    beside = names_beside(path)
    stored = next((variables[key] for key in _NAMES if key in variables), None)
    if stored is None and beside is not None:
        path, others = beside, _read(beside)
        stored = next((others[key] for key in _NAMES if key in others), None)
    if stored is None:
        return None
    names = [str(np.ravel(item)[0]) if np.size(item) else "" for item in np.ravel(stored)]
    if max(keys) > len(names):
        raise PriorError(f"network ID {max(keys)} has no name ({len(names)} names)", where=path)
    return [names[key - 1] for key in keys]


def _find_colours(variables: dict[str, Any], n_networks: int) -> list[tuple[float, float, float]] | None:
    stored = variables.get(_COLOURS)
    if not _is_matrix(stored) or stored.shape != (n_networks, 3):
        return None
    rgb = np.clip(np.nan_to_num(stored.astype(np.float64)), 0, None)
    rgb = np.clip(rgb / 255 if rgb.max() > 1 else rgb, 0, 1)
    return [(float(red), float(green), float(blue)) for red, green, blue in rgb]


def _is_matrix(value: Any) -> TypeGuard[NDArray[Any]]:
    return isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "fiu" and min(value.shape) > 1


def _on_cortex(values: NDArray[Any], path: Path) -> tuple[FloatArray, Grayordinates]:
    rows = values if values.shape[0] < values.shape[1] else values.T
    standard = template_grayordinates()
    n_rows = rows.shape[1]
    if n_rows in (_CORTEX_ROWS, _ALL_ROWS):
        rows = rows[:, :_CORTEX_ROWS]
    elif n_rows == 2 * FSLR32K_VERTICES:
        rows = standard.from_mesh(rows[:, :FSLR32K_VERTICES], rows[:, FSLR32K_VERTICES:])
    else:
        raise PriorError(
            f"templates have {n_rows:,} rows; expected {_CORTEX_ROWS:,}, {2 * FSLR32K_VERTICES:,} or {_ALL_ROWS:,}",
            where=path,
        )
    return np.ascontiguousarray(rows, dtype=np.float32), standard


def _read(path: Path) -> dict[str, Any]:
    import scipy.io

    if path.suffix == ".npz":
        with reading(path, "NumPy (.npz)"), np.load(path, allow_pickle=False) as stored:
            return {name.rsplit(".", 1)[-1]: stored[name] for name in stored.files}
    with reading(path, "MATLAB (.mat)"):
        if _is_hdf5(path):
            return _read_v73(path)
        raw = scipy.io.loadmat(path, struct_as_record=False, squeeze_me=False)
    variables = {key: value for key, value in raw.items() if not key.startswith("__")}
    for value in list(variables.values()):
        struct = value.flat[0] if isinstance(value, np.ndarray) and value.size == 1 and value.dtype == object else None
        for field in getattr(struct, "_fieldnames", []):
            variables.setdefault(field, getattr(struct, field))
    return variables


def _is_hdf5(path: Path) -> bool:
    # MATLAB puts 512 bytes of its own before the HDF5 part; other writers put none.
    with path.open("rb") as stream:
        start = stream.read(516)
    return b"\x89HDF" in (start[:4], start[512:516])


def _read_v73(path: Path) -> dict[str, Any]:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            "this is a MATLAB 7.3 file; reading it needs the extra 'matlab' (h5py)",
            where=path,
            fix="pip install 'actionloop[matlab]', or save it in MATLAB with save -v7",
        ) from error

    def text(reference: Any, file: Any) -> str:
        return "".join(chr(code) for code in np.ravel(file[reference]))

    variables: dict[str, Any] = {}
    with h5py.File(path) as file:

        def collect(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("#refs#"):
                value = item[()]
                if value.dtype == object:
                    value = np.array([text(reference, file) for reference in np.ravel(value)], dtype=object)
                elif value.ndim == 2:
                    value = value.T  # MATLAB writes its columns first
                variables.setdefault(name.rsplit("/", 1)[-1], value)

        file.visititems(collect)
    return variables
