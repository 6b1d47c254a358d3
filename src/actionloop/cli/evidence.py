"""The commands that hold one map against another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from actionloop import facts
from actionloop.cli.bar import shown_progress
from actionloop.cli.options import Flag, Verbose
from actionloop.cli.streams import put, say


def overlap(
    out: Path,
    /,
    *,
    pain_map: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = (),
    networks: Path | None = None,
    spins: int | None = None,
    measure: Literal["pearson", "spearman"] = "pearson",
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0,
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
    spins
        Number of spins; 1,000 by default.
    measure
        Correlation of values or of ranks.
    random_seed
        Seed, written into the description.
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    """
    say(facts.notice())
    from actionloop import pipeline

    request = pipeline.OverlapRequest(out, tuple(pain_map), networks, spins, measure, random_seed, overwrite)
    with shown_progress() as progress:
        found, page = pipeline.overlap(request, progress=progress)
    for row in found.rows():
        put(f"{row['network']}\tr {row['value']:+.3f}\tp(spin) {row['p']:.3f}\tFDR {row['p_fdr']:.3f}")
    put(str(page))
    return 0
