"""`actionloop tmseeg clean`: each site's recording becomes cleaned trials, with a log of what each step removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from actionloop import __version__, facts, figures, files
from actionloop.errors import OptionError
from actionloop.files import OutputFolder
from actionloop.files.eeg import write_trials
from actionloop.files.eegbids import EegFile
from actionloop.files.sidecar import read_json
from actionloop.pipeline.people import visit
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.run import Outcome
from actionloop.pipeline.steps import key_of
from actionloop.pipeline.tmseegpeople import ACTIVE, EegChoice, in_words, list_eeg, near_channels, recordings_of
from actionloop.report import EvidenceContent, EvidenceSection, Shown, Table, render_evidence
from actionloop.tmseeg import Cleaned, Pipeline, build_pipeline, clean, named_pipeline
from actionloop.types import Recording, Trials


@dataclass(frozen=True)
class CleanRequest(EegChoice):
    """Everything that `actionloop tmseeg clean` was asked.

    Attributes
    ----------
    steps : tuple of str
        Name of one pipeline, or the names of steps in order.
    without : tuple of str
        Steps that are left out.
    montage, pulses : str or None
        Name of a montage and of the pulses' events, where the files do not tell.
    """

    steps: tuple[str, ...] = ("default",)
    without: tuple[str, ...] = ()
    montage: str | None = None
    pulses: str | None = None

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that was asked for.

        Raises
        ------
        OptionError
            A name that is unknown.
        """
        known = tuple(facts.load("tmseeg_cleaning")["pipelines"])
        one = len(self.steps) == 1 and self.steps[0] in known
        made = named_pipeline(self.steps[0]) if one else build_pipeline(self.steps)
        return made.without(*self.without)


def clean_recordings(request: CleanRequest, *, progress: Progress) -> tuple[list[Outcome], list[Path]]:
    """Clean everybody's recordings, one in memory at a time; what is finished is not done again.

    Parameters
    ----------
    request : CleanRequest
    progress : Progress

    Returns
    -------
    outcomes : list of Outcome
    pages : list of Path
        One a person.

    Raises
    ------
    ActionloopError
        Options that cannot be used, or nobody who can.
    """
    OutputFolder.check(request.out, overwrite=request.overwrite)
    pipeline, labels = request.pipeline, list_eeg(request)
    pages: list[Path] = []
    progress.start(f"TMS-EEG of {len(labels)} people", len(labels))

    def work(label: str) -> str:
        recordings = recordings_of(request, label)
        out = OutputFolder(request.out, overwrite=request.overwrite)
        logs = [_clean_one(request, pipeline, out, label, one, progress) for one in recordings]
        pages.append(_write_page(request, out, label, logs))
        return "; ".join(f"{log['Name']}: {log['Trials']} trials" for log in logs)

    with threadpool_limits(limits=1, user_api="blas"):
        outcomes = visit(
            labels, work, progress=progress, where=request.source, stop_on_first_crash=request.stop_on_first_crash
        )
    progress.done()
    return outcomes, pages


def _entities(label: str, one: EegFile) -> dict[str, str]:
    return {"sub": label, "acq": one.site + ("" if one.condition == ACTIVE else one.condition)}


def _clean_one(
    request: CleanRequest, pipeline: Pipeline, out: OutputFolder, label: str, one: EegFile, progress: Progress
) -> dict[str, Any]:
    """Clean one recording unless it is there already, made of the same file in the same way; returns its log."""
    entities, name = _entities(label, one), in_words(one.site, one.condition)
    inputs = [path for path in (one.path, one.channels, one.electrodes, one.events) if path is not None]
    inputs += [path for path in one.parts if path != one.path]
    hashes = {str(path): files.file_sha256(path) for path in inputs}
    steps = [{"Step": step.name, "What": step.what, "Parameters": dict(step.parameters)} for step in pipeline.steps]
    made_of = {"version": __version__, "seed": request.seed, "montage": request.montage, "pulses": request.pulses}
    key = key_of(
        {**made_of, "inputs": sorted(hashes.values()), "steps": [(one["Step"], one["Parameters"]) for one in steps]}
    )
    if out.has("eeg_trials", entities) and out.has("eeg_log", entities):
        earlier = read_json(out.file("eeg_log", entities))
        if earlier.get("Key") == key:
            progress.note(f"sub-{label} {name}: already finished")
            return earlier
    progress.note(f"sub-{label} {name}: cleaning")
    recording = one.read(montage=request.montage, pulses=request.pulses)
    cleaned = clean(recording, pipeline, rng=np.random.default_rng([request.seed, len(one.site), *one.site.encode()]))
    out.write("eeg_trials", entities, lambda path: write_trials(path, cleaned.trials))
    picture = _picture(cleaned)
    out.write("eeg_figure", {**entities, "kind": "butterfly"}, lambda path: path.write_bytes(picture))
    log = {
        **files.provenance(
            inputs, options={"pipeline": pipeline.name, "without": list(request.without)}, seed=request.seed
        ),
        "Key": key,
        "Name": name,
        "Site": one.site,
        "Condition": one.condition,
        "Pulses": len(recording.pulses) if isinstance(recording, Recording) else len(recording.data),
        "Trials": len(cleaned.trials.data),
        "SamplingFrequency": cleaned.trials.sfreq_hz,
        "BadChannels": list(cleaned.trials.bads),
        "Steps": [_step(record) for record in cleaned.log],
    }
    out.write("eeg_log", entities, lambda path: files.write_json(path, log))
    return log


def _step(record: Any) -> dict[str, Any]:
    return {
        "Step": record.name,
        "What": record.what,
        "Parameters": dict(record.parameters),
        "Removed": record.line,
        "Skipped": record.skipped,
        "Seconds": round(record.seconds, 2),
        "Windows": [
            {
                "StartMs": one.start_s * 1e3,
                "StopMs": one.stop_s * 1e3,
                "BeforeMicrovolt": one.before_v * 1e6,
                "AfterMicrovolt": one.after_v * 1e6,
            }
            for one in record.changes
        ],
    }


def _picture(cleaned: Cleaned) -> bytes:
    """Mean responses as cut, and after the last step."""
    trials: Trials = cleaned.trials
    rows = [("cleaned", trials.times_s, trials.data.mean(axis=0))]
    if cleaned.before_after:
        first = cleaned.before_after[0]
        rows.insert(0, (f"before {first.name}", first.before_s, first.before - first.before.mean(axis=0)))
    try:
        near = near_channels(trials)
    except OptionError:
        near = ()  # a site of which no electrode is known can be cleaned all the same
    return figures.butterfly(rows, near=[trials.names.index(name) for name in near])


def _write_page(request: CleanRequest, out: OutputFolder, label: str, logs: list[dict[str, Any]]) -> Path:
    sections, listed = [], []
    for log in logs:
        entities = {"sub": label, "acq": log["Site"] + ("" if log["Condition"] == ACTIVE else log["Condition"])}
        figure = out.file("eeg_figure", {**entities, "kind": "butterfly"})
        relative = figure.relative_to(out.path).as_posix()
        alt = f"All channels over time, {log['Name']}: before cleaning the pulse's artefact, afterwards the response."
        shown = Shown(figure.read_bytes(), alt, "Channels near the site are drawn strong; scales differ.", relative)
        table = Table(
            f"{log['Name']}: {log['Trials']} of {log['Pulses']} pulses kept",
            ["Step", "What it does", "What it removed", "RMS 15–80 ms, µV", "s"],
            [_row(step) for step in log["Steps"]],
            "RMS over trials and good channels before and after the step.",
        )
        sections.append(EvidenceSection(log["Name"], (), [table], [shown]))
        listed.append(
            (f"Cleaned trials, {log['Name']}", out.file("eeg_trials", entities).relative_to(out.path).as_posix())
        )
    content = EvidenceContent(
        title="TMS-EEG: cleaning",
        lead=f"sub-{label}",
        answer=[
            f"{len(logs)} recordings were cleaned: "
            + "; ".join(f"{log['Name']} {log['Trials']} trials" for log in logs)
        ],
        sections=sections,
        limits=facts.load("tmseeg")["clean"]["limits"],
        methods=[_methods(logs)],
        references=facts.load("tmseeg")["clean"]["references"],
        glance={"Person": f"sub-{label}", "Recordings": str(len(logs)), "Steps": str(len(logs[0]["Steps"]))},
        files=listed,
        provenance=files.provenance([], options={"pipeline": list(request.steps)}, seed=request.seed),
    )
    page = render_evidence(content)
    return out.write("eeg_clean_page", {"sub": label}, lambda path: files.write_text(path, page))


def _row(step: Mapping[str, Any]) -> list[str]:
    early = next((one for one in step["Windows"] if one["StartMs"] <= 15 < one["StopMs"]), None)
    change = "–" if early is None else f"{early['BeforeMicrovolt']:.3g} → {early['AfterMicrovolt']:.3g}"
    removed = "not needed" if step["Skipped"] else step["Removed"] or "–"
    return [step["Step"], step["What"], removed, change, f"{step['Seconds']:.1f}"]


def _methods(logs: list[dict[str, Any]]) -> str:
    steps = "; ".join(step["What"] for step in logs[0]["Steps"] if not step["Skipped"])
    return f"Trials were cleaned by these steps in order: {steps}."
