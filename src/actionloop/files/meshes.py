"""Finding a person's surfaces by file name: BIDS, HCP and FreeSurfer-like names, on fsLR-32k or the native mesh."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from actionloop.errors import InputError
from actionloop.files.bids import in_words, parse_name
from actionloop.files.opening import side_in_name
from actionloop.files.peek import gifti_vertices
from actionloop.files.person import Mesh, SurfaceFiles, SurfaceSpace
from actionloop.types import FSLR32K_VERTICES, HEMISPHERES, Hemisphere, SurfaceKind

# 'smoothwm' is what fMRIPrep and XCP-D called the white surface in earlier versions.
_KINDS: dict[str, SurfaceKind] = {
    "white": "white",
    "smoothwm": "white",
    "wm": "white",
    "pial": "pial",
    "midthickness": "midthickness",
    "graymid": "midthickness",
    "inflated": "inflated",
}
_HCP_NAME = re.compile(
    r"^(?P<person>.+?)\.(?P<side>[LR])\.(?P<kind>[a-z_]+?)(?:_(?P<registration>[A-Z]\w*))?"
    r"\.(?P<mesh>\w+)\.(?:surf|shape)\.gii$"
)


@dataclass(frozen=True)
class MeshFile:
    """A surface, sphere or sulcal-depth file, as far as its name tells.

    Attributes
    ----------
    path : Path
    hemisphere : {'L', 'R'}
    kind : str
        A surface kind, 'sphere' (registered to fsLR), or 'sulc'.
    mesh : {'fsLR32k', 'native'}
    registration : str
    group : str
        What else the name says: files of one person and one T1 agree in it.
    plain : bool
        False for a stand-in such as 'smoothwm'.
    """

    path: Path
    hemisphere: Hemisphere
    kind: str
    mesh: Mesh
    registration: str = ""
    group: str = ""
    plain: bool = True


def read_mesh_name(path: Path) -> MeshFile | None:
    """Tell what a surface file is from its name (and, failing that, its vertex count); None if it is none of ours."""
    if not path.name.endswith(".gii") or path.name.endswith((".func.gii", ".label.gii")):
        return None
    if match := _HCP_NAME.match(path.name):
        return _hcp(path, match)
    if path.name.startswith("sub-") and "_hemi-" in path.name:
        return _bids(path)
    return _other(path)


def _hcp(path: Path, match: re.Match[str]) -> MeshFile | None:
    kind = "sulc" if match["kind"] == "sulc" else _KINDS.get(match["kind"])
    if kind is None or match["mesh"] != "32k_fs_LR":
        return None
    side: Hemisphere = "L" if match["side"] == "L" else "R"
    return MeshFile(path, side, kind, "fsLR32k", match["registration"] or "", match["person"])


def _bids(path: Path) -> MeshFile | None:
    name = parse_name(path)
    side, space, density = name.get("hemi"), name.get("space"), name.get("density")
    if side not in HEMISPHERES:
        return None
    mesh: Mesh
    registered = space == "fsLR" and name.suffix == "sphere"
    if density == "32k" and space in (None, "fsLR"):
        mesh = "fsLR32k"
    elif density is None and (registered or space in (None, "T1w", "fsnative")):
        mesh = "native"
    else:
        return None
    group = "_".join(f"{k}-{v}" for k, v in name.entities.items() if k not in ("hemi", "space", "density", "desc"))
    file = MeshFile(path, "L" if side == "L" else "R", "", mesh, "", group, name.suffix != "smoothwm")
    if name.suffix == "sphere":
        kind = {"msmsulc": "MSMSulc", "reg": "FreeSurfer"}.get(name.get("desc") or "")
        return replace(file, kind="sphere", registration=kind) if kind and space == "fsLR" else None
    if name.suffix == "sulc":
        return replace(file, kind="sulc") if name.extension == ".shape.gii" else None
    surface = _KINDS.get(name.suffix)
    return replace(file, kind=surface) if surface and name.extension == ".surf.gii" else None


def _other(path: Path) -> MeshFile | None:
    words = re.split(r"[._-]", path.name)
    kinds = [w for w in words if w in _KINDS or w == "sulc"]
    side = side_in_name(path)
    if side is None or len(kinds) != 1 or "very" in words:
        return None
    if "32k" in words:
        mesh: Mesh = "fsLR32k"
    else:
        mesh = "fsLR32k" if gifti_vertices(path) == FSLR32K_VERTICES else "native"
    registration = "MSMAll" if "MSMAll" in words else ""
    kind = "sulc" if kinds[0] == "sulc" else _KINDS[kinds[0]]
    return MeshFile(path, side, kind, mesh, registration, plain=kinds[0] not in ("smoothwm", "wm"))


@dataclass(frozen=True)
class Assembled:
    """One consistent set of surfaces, or why there is none."""

    surfaces: SurfaceFiles | None
    sulc: Mapping[str, Path]
    group: str = ""
    notes: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()


def assemble(paths: Iterable[Path], *, space: SurfaceSpace, registration: str | None = None) -> Assembled:
    """Put surfaces together that share person, mesh and registration; the best such set wins.

    A set with white and pial on both sides is best, on fsLR-32k better than native. A native set needs its
    registration spheres; those of MSM are preferred, since they are what fMRIPrep resampled the series with.

    Parameters
    ----------
    paths : iterable of Path
    space : {'native', 'standard', 'unknown'}
    registration : str, optional
        Accept only this one (series and surfaces of different registrations do not share vertices).

    Returns
    -------
    Assembled

    Raises
    ------
    InputError
        Two files claim the same hemisphere and kind.
    """
    files = [found for found in map(read_mesh_name, sorted(paths)) if found is not None]
    shapes = [f for f in files if f.kind != "sphere"]
    if registration is not None:
        shapes = [f for f in shapes if f.registration == registration]
    sets = [
        _one_set(key, [f for f in shapes if (f.group, f.mesh, f.registration) == key], files, space)
        for key in dict.fromkeys((f.group, f.mesh, f.registration) for f in shapes)
    ]
    usable = [each for each in sets if each.surfaces is not None]
    if not usable:
        return Assembled(None, {}, notes=tuple(note for each in sets for note in each.notes))
    best = max(usable, key=_merit)
    rivals = sorted({each.group for each in usable if each.group != best.group and _merit(each) == _merit(best)})
    notes = best.notes
    if rivals:
        notes += (f"surfaces of {best.group or 'one set'} are used; there are also {in_words(rivals)}",)
    return replace(best, notes=notes, rivals=tuple(rivals))


def _merit(each: Assembled) -> tuple[bool, bool, int]:
    surfaces = each.surfaces
    if surfaces is None:
        return False, False, 0
    return surfaces.complete, surfaces.mesh == "fsLR32k", len(surfaces.paths)


def _one_set(
    key: tuple[str, Mesh, str], shapes: list[MeshFile], files: list[MeshFile], space: SurfaceSpace
) -> Assembled:
    group, mesh, registration = key
    slots: dict[tuple[Hemisphere, str], MeshFile] = {}
    for file in shapes:
        slot = (file.hemisphere, file.kind)
        rival = slots.get(slot)
        if rival is not None and rival.plain == file.plain:
            raise InputError(
                f"two files could be the {file.kind} of hemisphere {file.hemisphere}: "
                f"{rival.path.name} and {file.path.name}",
                where=file.path.parent,
                fix="keep one person's surfaces of one kind in the folder, or name the files one by one",
            )
        if rival is None or file.plain:
            slots[slot] = file
    kinds: tuple[SurfaceKind, ...] = ("white", "pial", "midthickness", "inflated")
    paths = {(side, kind): slots[side, kind].path for side in HEMISPHERES for kind in kinds if (side, kind) in slots}
    sulc = {str(side): slots[side, "sulc"].path for side in HEMISPHERES if (side, "sulc") in slots}
    if not paths:
        return Assembled(None, sulc, group)
    spheres: dict[Hemisphere, Path] = {}
    if mesh == "native":
        spheres, registration = _spheres(files, group)
        if len(spheres) < 2:
            folder = shapes[0].path.parent.name
            why = f"surfaces on the native mesh in {folder}/ are left out: the spheres registered to fsLR are not there"
            return Assembled(None, {}, group, (f"{why} (a recent fMRIPrep with --cifti-output 91k writes them)",))
    surfaces = SurfaceFiles(paths, space, mesh, spheres, registration)
    return Assembled(surfaces, sulc if len(sulc) == 2 else {}, group, _gaps(surfaces))


def _spheres(files: list[MeshFile], group: str) -> tuple[dict[Hemisphere, Path], str]:
    for registration in ("MSMSulc", "FreeSurfer"):
        found = [f for f in files if (f.kind, f.group, f.registration) == ("sphere", group, registration)]
        spheres = {f.hemisphere: f.path for f in found}
        if len(spheres) == 2:
            return spheres, registration
    return {}, ""


def _gaps(surfaces: SurfaceFiles) -> tuple[str, ...]:
    notes = []
    if surfaces.complete and any("midthickness" in each for each in surfaces.missing):
        notes.append("midthickness surfaces are not there: they are computed as the mean of white and pial")
    missing = [each for each in surfaces.missing if "midthickness" not in each or not surfaces.complete]
    if missing:
        notes.append(f"surfaces not there: {in_words(missing)}")
    return tuple(notes)
