"""The person of the demonstration: LEMON sub-010188, whose scan comes with the fetched resources."""

from __future__ import annotations

from actionloop import facts, files
from actionloop.files import PersonFiles, RunFiles


def demo_person() -> PersonFiles:
    """Return the files of the demonstration's person.

    Returns
    -------
    PersonFiles
        One run on fsaverage5, band-passed but not denoised; no surfaces and no T1 of their own.

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    files.require(groups=("demo",))
    lemon = facts.load("lemon")
    tr_s = float(lemon["tr_s"])
    run = RunFiles(
        paths=(files.resource("lemon_series_L"), files.resource("lemon_series_R")),
        kind="surface",
        space="fsaverage5",
        cleaned=False,
        filtered=True,
        tr_s=tr_s,
        entities={"session": lemon["session"], "task": "rest", "acquisition": "AP", "run": "01"},
        name=f"ses-{lemon['session']}_task-rest_acq-AP_run-01",
        confounds=files.resource("lemon_confounds"),
    )
    notes = (
        "MPI-LEMON participant, 15.2 minutes of rest; the series were sampled to fsaverage5 and band-passed "
        "(0.01-0.1 Hz) by the data set's authors.",
        f"The file header states a repetition time of 1.0 s; the study's is {tr_s:g} s, which is used.",
    )
    return PersonFiles(label=lemon["label"], layout="surface", runs=(run,), notes=notes)
