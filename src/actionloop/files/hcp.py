"""The HCP pipelines' output: MNINonLinear/Results for the series, T1w/ for geometry in the T1's own space."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actionloop.errors import InputError
from actionloop.files.bids import in_words, is_combined, is_there, listed, parse_name, run_entities, without_prefix
from actionloop.files.meshes import assemble
from actionloop.files.person import AnatomyFiles, PersonFiles, RunFiles
from actionloop.files.selection import Selection, choose_runs
from actionloop.files.sidecar import repetition_time

# rfMRI_REST1_LR, rfMRI_REST1a_AP, rfMRI_REST2_7T_PA, tfMRI_MOTOR_RL, and rfMRI_REST for the runs joined.
_RUN_NAME = re.compile(
    r"^(?P<modality>[rt])fMRI_(?P<task>[A-Za-z]+?)(?P<run>\d+[a-z]?)?(?:_(?P<acquisition>\d+T))?(?:_(?P<direction>LR|RL|AP|PA))?$"
)
_SERIES_TAIL = (
    r"_Atlas(?P<registration>_MSM\w*?)?(?P<clean>_hp[a-z]*\d+_clean(?:_rclean)?(?:_tclean)?)?\.dtseries\.nii$"
)
_JOINED = "CONCAT"
MOTION = "Movement_Regressors.txt"
T1_NAMES = ("T1w_acpc_dc_restore.nii.gz", "T1w_acpc_dc.nii.gz")
WHY_NOT_STANDARD = (
    "MNINonLinear surfaces are warped to MNI152 non-linearly: they do not lie on this person's T1, so no position "
    "in the head is taken from them"
)


@dataclass(frozen=True)
class HcpSeries:
    """One series file of a run folder.

    Attributes
    ----------
    path : Path
    entities : dict of str to str
    registration : str
        'MSMAll', or empty for the default (MSMSulc or FreeSurfer).
    clean : str
        What FIX-cleaning the name states; empty for none.
    """

    path: Path
    entities: dict[str, str]
    registration: str
    clean: str


def hcp_people(derivatives: Path) -> dict[str, Path]:
    """Return the folders that hold an `MNINonLinear` folder, by label."""
    return {
        without_prefix(entry.name, "sub"): entry
        for entry in listed(derivatives)
        if entry.is_dir() and (entry / "MNINonLinear").is_dir()
    }


def find_hcp(derivatives: Path, person: Path, selection: Selection) -> PersonFiles:
    """Find one person's files in the HCP pipelines' output.

    The series registered with MSMAll and cleaned with FIX are preferred; all runs are of one registration, and
    surfaces only of the same, since otherwise vertices would not correspond.

    Parameters
    ----------
    derivatives, person : Path
    selection : Selection

    Returns
    -------
    PersonFiles

    Raises
    ------
    InputError
        No dtseries in MNINonLinear/Results, or nothing left of the selection.
    """
    found_series = _series(person)
    if not found_series:
        raise InputError(
            f"expected MNINonLinear/Results/<run>/<run>_Atlas*.dtseries.nii for {person.name}, found none",
            where=person,
            fix="download or copy the resting-state package (FIX-denoised, MSMAll) of this person",
        )
    indices, notes = choose_runs([s.entities for s in found_series], selection, where=person)
    chosen, more_notes = _one_registration([found_series[i] for i in indices])
    notes += more_notes
    runs = [_run(each, derivatives, notes) for each in chosen]
    found = _geometry(person, chosen[0].registration)
    return PersonFiles(
        label=without_prefix(person.name, "sub"),
        layout="hcp",
        runs=tuple(runs),
        surfaces=found.surfaces,
        sulc=found.sulc,
        t1w=found.t1w,
        notes=(*notes, *found.notes),
    )


def _series(person: Path) -> list[HcpSeries]:
    results = person / "MNINonLinear" / "Results"
    found = []
    for folder in (e for e in (listed(results) if results.is_dir() else []) if e.is_dir() and _JOINED not in e.name):
        pattern = re.compile(re.escape(folder.name) + _SERIES_TAIL)
        for path in listed(folder):
            if match := pattern.match(path.name):
                registration = (match["registration"] or "").removeprefix("_")
                found.append(HcpSeries(path, _entities(folder.name), registration, match["clean"] or ""))
    return found


def _entities(folder: str) -> dict[str, str]:
    if match := _RUN_NAME.match(folder):
        stated = {key: value for key, value in match.groupdict().items() if value and key != "modality"}
        return run_entities(stated)
    return parse_name(Path(folder)).run or {"task": folder}


def _one_registration(series: Sequence[HcpSeries]) -> tuple[list[HcpSeries], list[str]]:
    best: list[HcpSeries] = []
    for registration in sorted({s.registration for s in series}, key=lambda r: (r != "MSMAll", r)):
        per_run: dict[str, HcpSeries] = {}
        for each in sorted((s for s in series if s.registration == registration), key=lambda s: len(s.clean)):
            per_run[each.path.parent.name] = each
        kept = _without_joined(
            [per_run[name] for name in dict.fromkeys(s.path.parent.name for s in series) if name in per_run]
        )
        if _worth(kept) > _worth(best):
            best = kept
    return best, _left_out(series, best)


def _left_out(series: Sequence[HcpSeries], used: Sequence[HcpSeries]) -> list[str]:
    folders = {s.path.parent.name: s.entities for s in series if s.path.parent not in [u.path.parent for u in used]}
    joined = [name for name, run in folders.items() if is_combined(run, [u.entities for u in used])]
    parts = [name for name, run in folders.items() if any(is_combined(u.entities, [run]) for u in used)]
    rest = [name for name in folders if name not in joined + parts]
    registration = used[0].registration or "plain"
    return [
        f"{what}: {in_words(names)}"
        for what, names in (
            ("joined series left out, since their runs are used one by one", joined),
            ("single runs left out, since only their joined series is FIX-cleaned", parts),
            (f"runs left out that have no {registration} series", rest),
        )
        if names
    ]


def _without_joined(runs: list[HcpSeries]) -> list[HcpSeries]:
    # Where both exist, single runs are used, unless only the joined series is cleaned (HCP lifespan releases).
    joined = [r for r in runs if is_combined(r.entities, [o.entities for o in runs])]
    single = [r for r in runs if r not in joined]
    for each in joined:
        parts = [s for s in single if is_combined(each.entities, [s.entities])]
        if each.clean and not all(part.clean for part in parts):
            single = [s for s in single if s not in parts] + [each]
    return single


def _worth(runs: Sequence[HcpSeries]) -> tuple[int, int]:
    return sum(bool(r.clean) for r in runs), len(runs)


def _run(series: HcpSeries, root: Path, notes: list[str]) -> RunFiles:
    tr_s, tr_notes = repetition_time([series.path], root=root)
    notes += tr_notes
    motion = series.path.parent / MOTION
    if not series.clean:
        notes.append(f"{series.path.parent.name} is not FIX-cleaned")
    return RunFiles(
        paths=(series.path,),
        kind="cifti",
        space="fsLR32k",
        cleaned=bool(series.clean),
        # FIX's high-pass (hp2000) only removes drifts.
        filtered=False,
        tr_s=tr_s,
        entities=series.entities,
        name=series.path.parent.name,
        confounds=None,
        motion=motion if is_there(motion) else None,
    )


def _geometry(person: Path, registration: str) -> AnatomyFiles:
    native, standard = (person / part / "fsaverage_LR32k" for part in ("T1w", "MNINonLinear"))
    t1w = next((person / "T1w" / name for name in T1_NAMES if is_there(person / "T1w" / name)), None)
    notes: list[str] = []
    if t1w is not None:
        notes.append(f"positions refer to {t1w.name}, the ACPC-aligned T1: load this image into the navigator")
    else:
        notes.append("there is no T1w/T1w_acpc_dc_restore.nii.gz")
    sulc = _sulc(standard, registration)
    for folder, space in ((native, "native"), (standard, "standard")):
        if not folder.is_dir():
            continue
        paths = [p for p in listed(folder) if p.name.endswith(".surf.gii")]
        found = assemble(paths, space="native" if space == "native" else "standard", registration=registration)
        if found.surfaces is not None:
            if space == "standard":
                notes.append(f"there are no surfaces in T1w/fsaverage_LR32k. {WHY_NOT_STANDARD}")
            return AnatomyFiles(found.surfaces, sulc, t1w, (*notes, *found.notes))
        if paths:
            name = registration or "the plain registration"
            notes.append(
                f"the surfaces in {folder.parent.name}/{folder.name} are not of {name}, unlike the series: not used"
            )
    notes.append("no surfaces of this person can be used")
    return AnatomyFiles(None, sulc, t1w, tuple(notes))


def _sulc(folder: Path, registration: str) -> dict[str, Path]:
    # Depth is a value per vertex, the same in either space; the HCP writes it in MNINonLinear only.
    if not folder.is_dir():
        return {}
    tag = f"_{registration}" if registration else ""
    found = {
        side: path
        for path in listed(folder)
        for side in ("L", "R")
        if path.name.endswith(f".{side}.sulc{tag}.32k_fs_LR.shape.gii")
    }
    if len(found) == 2:
        return found
    maps = [path for path in listed(folder) if path.name.endswith(f".sulc{tag}.32k_fs_LR.dscalar.nii")]
    return {"both": maps[0]} if maps else {}
