"""The words that `actionloop plan` understands, in the groups that its help shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from actionloop.cli.ask import PainSide

_WHO = Group("Whom and which runs", sort_key=1)
_PAIN = Group("The pain", sort_key=2)
_FILES = Group("Files given by path", sort_key=3)
_COIL = Group("The coil", sort_key=4)
_HOW = Group("How it runs", sort_key=6)

Words = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)]
Paths = Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="", show_default=False)]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Verbose = Annotated[
    bool,
    Parameter(name=("--verbose", "-v"), negative="", show_default=False, help="Show the details of an error."),
]


@Parameter(name="*", group=_WHO)
@dataclass(frozen=True)
class Who:
    """People and runs, chosen by label; lists are separated by spaces.

    Parameters
    ----------
    participant_label
        People to work on, with or without 'sub-'; everybody when left out.
    session_label
        Sessions to use; all when left out.
    task_id
        Tasks to use; the resting ones when left out.
    run_id
        Runs to use; all when left out.
    acquisition
        Acquisitions to use; all when left out.
    bids_filter_file
        JSON file that chooses runs as in fMRIPrep: {"bold": {"task": "rest"}}.
    layout
        Kind of the input folder; recognised by itself when left out.
    anatomy
        fMRIPrep folder with surfaces and T1, for XCP-D output that has none.
    """

    participant_label: Annotated[Words, Parameter(alias="--participant_label")] = ()
    session_label: Words = ()
    task_id: Words = ()
    run_id: Words = ()
    acquisition: Words = ()
    bids_filter_file: Path | None = None
    layout: Literal["xcpd", "fmriprep", "hcp", "surface"] | None = None
    anatomy: Path | None = None

    def choice(self) -> dict[str, Any]:
        """Return the same as the fields of a request."""
        return {
            "participant_labels": tuple(label.removeprefix("sub-") for label in self.participant_label),
            "sessions": self.session_label,
            "tasks": self.task_id,
            "runs": self.run_id,
            "acquisitions": self.acquisition,
            "bids_filter": self.bids_filter_file,
            "anatomy": self.anatomy,
            "layout": self.layout,
        }


@Parameter(name="*", group=_PAIN)
@dataclass(frozen=True)
class Where:
    """What the ranking needs to know of the patient; it holds for everybody in the run.

    Parameters
    ----------
    pain_side
        Side of the body that hurts; the opposite hemisphere is preferred.
    pain_region
        Body part that hurts, such as face, arm, hand, trunk, back, leg, foot; decides the preferred node.
    lesion_mask
        Image in T1 space; cortex in it takes no part in map or targets.
    """

    pain_side: PainSide | None = None
    pain_region: str | None = None
    lesion_mask: Path | None = None


@Parameter(name="*", group=_FILES)
@dataclass(frozen=True)
class Given:
    """Files of one person without a data set around them, and what replaces the program's own prior or map.

    Parameters
    ----------
    bold
        CIFTI series, or left and right surface series; then DERIVATIVES is left out.
    surfaces
        Folder or files: white and pial of both hemispheres, in the space of the T1.
    t1w
        T1 image (not defaced) that the surfaces belong to.
    confounds
        Confound tables, one per run in the same order; without them the series count as denoised.
    outliers
        Outlier masks, one per run in the same order.
    tr
        Repetition time in seconds, where the files do not state it or state it wrongly.
    map_file
        Finished network map (dlabel, or dscalar of probabilities); mapping is skipped.
    prior
        Group prior in place of the default one: dlabel, dscalar, template .mat, or .npz of 'prior build'.
    """

    bold: Paths = ()
    surfaces: Paths = ()
    t1w: Path | None = None
    confounds: Paths = ()
    outliers: Paths = ()
    tr: float | None = None
    map_file: Annotated[Path | None, Parameter(name="--map")] = None
    prior: Path | None = None


@Parameter(name="*", group=_COIL)
@dataclass(frozen=True)
class Coiled:
    """How the coil's pose is found.

    Parameters
    ----------
    engine
        fem (finite elements in this head), sphere (quick preview, labelled so) or geometric (no field).
    coil
        Name of a coil that comes with the program, or a .ccd or .tcd file.
    stimulator
        Name or number of the stimulator, where a .tcd file has several.
    resolution
        Edge of the head model's voxels in mm: 1.5 unless given; 2 is quicker.
    target
        Targets to find a pose for: best (the best SCAN and the best AMN target), all, or names such as "SCAN middle L".
    coordinate
        A place to aim at, alone or besides --target: x y z, RAS mm of the exported frame.
    head_model
        Tissue-label image or tetrahedral mesh (.msh) of another program, in the space of the T1.
    head_labels
        What its numbers mean: simnibs, samseg, or a .toml or .json file.
    pose_draws
        How often the uncertain things are drawn for the chance of hitting; 0 leaves it out.
    motor_hotspot
        A place over the hand, or the middle of the coil there: x y z, RAS mm of the T1; checked against the map.
    motor_threshold
        Motor threshold there, in per cent of maximum stimulator output.
    tolerability
        Table of ratings of pain, annoyance and twitches by place of the scalp (TMS-SMART).
    protocol
        TOML or JSON file of the train (frequency_hz, intensity_percent_mt, train_s): refused beyond safety limits.
    screening
        TOML or JSON file of the answers to the screening list; a yes withholds the exports (see --force).
    compare
        Other programs to compare our field with, where they are installed: simnibs, cunibs.
    compare_head
        Their head, made from this T1: SimNIBS's folder m2m_..., or its mesh (.msh).
    foreign_field
        Results of SimNIBS (.msh) at the poses found here, to compare our field with; one for each pose, in order.
    foreign_didt
        Rate of change of the current that they were computed with, A/s: 1e6 unless given.
    """

    engine: Literal["fem", "sphere", "geometric"] | None = None
    coil: str | None = None
    stimulator: str | None = None
    resolution: float | None = None
    target: Words = ()
    coordinate: Annotated[tuple[float, float, float] | None, Parameter(negative="")] = None
    head_model: Path | None = None
    head_labels: str | None = None
    pose_draws: int | None = None
    motor_hotspot: Annotated[tuple[float, float, float] | None, Parameter(negative="")] = None
    motor_threshold: float | None = None
    tolerability: Path | None = None
    protocol: Path | None = None
    screening: Path | None = None
    compare: Annotated[tuple[Literal["simnibs", "cunibs"], ...], Parameter(consume_multiple=True, negative="")] = ()
    compare_head: Path | None = None
    foreign_field: Paths = ()
    foreign_didt: float | None = None

    def choice(self) -> dict[str, Any]:
        """Return the same as the fields of the settings' section."""
        named: str | tuple[str, ...] | None = self.target or (() if self.coordinate else None)
        if self.target in (("best",), ("all",)):
            named = self.target[0]
        return {
            "engine": self.engine,
            "coil": self.coil,
            "stimulator": self.stimulator,
            "resolution_mm": self.resolution,
            "targets": named,
            "coordinate": self.coordinate,
            "head": self.head_model,
            "labels": self.head_labels,
            "draws": self.pose_draws,
            "motor_hotspot": self.motor_hotspot,
            "motor_threshold": self.motor_threshold,
            "tolerability": self.tolerability,
            "compare": self.compare or None,
            "compare_head": self.compare_head,
            "foreign_fields": self.foreign_field or None,
            "foreign_didt": self.foreign_didt,
        }

    def safety(self) -> dict[str, Any]:
        """Return the fields of the settings' section on limits and screening."""
        return {"protocol": self.protocol, "screening": self.screening}


@Parameter(name="*", group=_HOW)
@dataclass(frozen=True)
class How:
    """Settings and conduct of the run.

    Parameters
    ----------
    work_dir
        Folder of finished steps; OUT/.work when left out.
    config_file
        Settings as .toml or .json; the command line wins.
    random_seed
        Seed, written into the provenance.
    method
        Way of mapping; options of each stand in the configuration file.
    device
        Where numbers are crunched: cpu, cuda (NVIDIA GPU) or torch.
    subcortex
        Label subcortex and cerebellum too (91k CIFTI series).
    cleaning
        What is regressed from preprocessed series (fMRIPrep): 24P (default), 36P, aCompCor or tedana.
    no_gsr
        Leave the global signal in when cleaning.
    fd_threshold
        Framewise displacement in mm above which frames are left out when cleaning; 0 keeps all.
    no_controls
        Leave out the control maps (faster).
    no_reliability
        Do not judge how far map and targets can be trusted (faster); the report and every export say so.
    resamples
        How often frames are drawn anew to see how targets scatter; 200 unless given.
    force
        Write files of targets without a reliable verdict, or after a yes in the screening; each of them records it.
    overwrite
        Write into an OUT that holds other things; nothing of those is changed.
    reports_only
        Write files and report again from the finished steps.
    dry_run
        Say what would be used, and stop.
    stop_on_first_crash
        Stop at the first person who fails.
    """

    work_dir: Annotated[Path | None, Parameter(alias="-w")] = None
    config_file: Path | None = None
    random_seed: Annotated[int | None, Parameter(alias="--seed")] = None
    method: str | None = None
    device: str | None = None
    subcortex: Flag = False
    cleaning: str | None = None
    no_gsr: Flag = False
    fd_threshold: float | None = None
    no_controls: Flag = False
    no_reliability: Flag = False
    resamples: int | None = None
    force: Flag = False
    overwrite: Flag = False
    reports_only: Flag = False
    dry_run: Flag = False
    stop_on_first_crash: Flag = False
