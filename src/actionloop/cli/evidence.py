"""The commands that hold one map against another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from actionloop import facts
from actionloop.cli.bar import shown_progress
from actionloop.cli.options import Flag, Paths, Verbose, Who
from actionloop.cli.streams import put, say

if TYPE_CHECKING:
    from actionloop.pipeline import Outcome

_WHO = Who()


@Parameter(name="*")
@dataclass(frozen=True)
class Mapped:
    """Where people's maps come from, and how the run goes.

    Parameters
    ----------
    prior
        Prior that the mapping starts from, in place of the default one.
    tr
        Repetition time in seconds, where the files do not state it or state it wrongly.
    subcortex
        Take subcortex and cerebellum too (91k CIFTI).
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    stop_on_first_crash
        Stop at the first person who fails.
    """

    prior: Path | None = None
    tr: float | None = None
    subcortex: Flag = False
    overwrite: Flag = False
    stop_on_first_crash: Flag = False


@Parameter(name="*")
@dataclass(frozen=True)
class Contrasted:
    """What is compared with what.

    Parameters
    ----------
    maps
        Folder with one finished map per person, e.g. results of 'plan'; else everybody is mapped.
    nuclei
        Images of an atlas of thalamic nuclei in MNI space: one, or left and right; needs --subcortex.
    nuclei_atlas
        Which atlas that is.
    no_gsr
        Leave the global signal in when cleaning.
    draws
        Resamples of one person's frames; 2,000 by default.
    """

    maps: Path | None = None
    nuclei: Paths = ()
    nuclei_atlas: Literal["thomas", "hcpex", "aal3"] = "thomas"
    no_gsr: Flag = False
    draws: int | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class Nulls:
    """What a correlation is held against.

    Parameters
    ----------
    spins
        Number of spins; 1,000 by default.
    variogram_python
        Python of an environment with brainsmash (GPL, a program of its own): a volume is compared below the cortex too.
    surrogates
        Maps of the volume's smoothness that it makes; 1,000 by default.
    random_seed
        Seed, written into the description.
    """

    spins: int | None = None
    variogram_python: Path | None = None
    surrogates: int | None = None
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0


_MAPPED, _CONTRASTED, _NULLS = Mapped(), Contrasted(), Nulls()


def overlap(
    out: Path,
    /,
    *,
    pain_map: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = (),
    networks: Path | None = None,
    measure: Literal["pearson", "spearman"] = "pearson",
    nulls: Nulls = _NULLS,
    overwrite: Flag = False,
    verbose: Verbose = False,
) -> int:
    """Correlate a map of pain with every network's map, against spins of the cortex.

    Parameters
    ----------
    out
        Folder for table, picture and page.
    pain_map
        The map: a .dscalar.nii, a volume in MNI152 space, or two files of values per vertex (left, right). Without it
        the ALE of NiMARE's 21 pain studies is computed (needs the extra 'pain').
    networks
        A person's or a group's map: probabilities, labels, or connectivity templates (.mat); else the default prior.
    measure
        Correlation of values or of ranks.
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.OverlapRequest(
        out,
        tuple(pain_map),
        networks,
        nulls.spins,
        measure,
        nulls.random_seed,
        overwrite,
        nulls.variogram_python,
        nulls.surrogates,
    )
    with shown_progress() as progress:
        found, page = pipeline.overlap(request, progress=progress)
    for row in found.rows():
        put(f"{row['network']}\tr {row['value']:+.3f}\tp(spin) {row['p']:.3f}\tFDR {row['p_fdr']:.3f}")
    put(str(page))
    return 0


def contrast(
    derivatives: Path,
    out: Path,
    /,
    *,
    who: Who = _WHO,
    mapped: Mapped = _MAPPED,
    contrasted: Contrasted = _CONTRASTED,
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0,
    verbose: Verbose = False,
) -> int:
    """Compare the connectivity of SCAN with that of foot, hand and mouth, in one person or over many.

    Who cannot be used is named and left out.

    Parameters
    ----------
    derivatives
        Folder that holds everybody, as for 'plan'.
    out
        Folder for tables, maps, pictures and page.
    random_seed
        Seed, written into the description.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.ContrastRequest(
        derivatives,
        out,
        maps=contrasted.maps,
        prior=mapped.prior,
        subcortex=mapped.subcortex,
        nuclei=tuple(contrasted.nuclei),
        nuclei_atlas=contrasted.nuclei_atlas,
        no_gsr=contrasted.no_gsr,
        draws=contrasted.draws,
        seed=random_seed,
        **who.choice(),
        tr_s=mapped.tr,
        overwrite=mapped.overwrite,
        stop_on_first_crash=mapped.stop_on_first_crash,
    )
    with shown_progress() as progress:
        found, page = pipeline.contrast(request, progress=progress)
    return _told(found.outcomes, page)


def variability(
    source: Path,
    out: Path,
    /,
    *,
    who: Who = _WHO,
    mapped: Mapped = _MAPPED,
    coordinate: Annotated[tuple[float, float, float] | None, Parameter(negative="")] = None,
    verbose: Verbose = False,
) -> int:
    """Tell where people's networks lie and differ, and how likely a fixed place hits SCAN or AMN in somebody new.

    Who cannot be used is named and left out.

    Parameters
    ----------
    source
        Folder with one map per person, as 'plan' writes them (quick), or a data set (everybody is mapped).
    out
        Folder for maps, tables, pictures and page.
    coordinate
        A place to judge besides the conventional ones: x y z, MNI mm.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.VariabilityRequest(
        source,
        out,
        prior=mapped.prior,
        subcortex=mapped.subcortex,
        coordinate=coordinate,
        **who.choice(),
        tr_s=mapped.tr,
        overwrite=mapped.overwrite,
        stop_on_first_crash=mapped.stop_on_first_crash,
    )
    with shown_progress() as progress:
        found, page = pipeline.variability(request, progress=progress)
    return _told(found.outcomes, page)


def _told(outcomes: Iterable[Outcome], page: Path) -> int:
    """Tell what became of everybody, and where the page is; returns the exit code."""
    failed = False
    for one in outcomes:
        put(f"sub-{one.label}\t{'ok' if one.ok else 'failed'}\t{one.message.splitlines()[0]}")
        if not one.ok:
            failed = True
            say(f"error: sub-{one.label}: {one.message}")
    put(str(page))
    return int(failed)
