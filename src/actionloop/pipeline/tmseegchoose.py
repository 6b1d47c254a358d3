"""`actionloop tmseeg choose`: the sites of lowest and highest global connectivity, and how sure the trials are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from actionloop.files import OutputFolder
from actionloop.pipeline.people import visit
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.run import Outcome
from actionloop.pipeline.tmseegfmri import SiteOnMap, sites_on_map
from actionloop.pipeline.tmseegpeople import ACTIVE, EegChoice, cleaned_of, list_eeg
from actionloop.tmseeg import PersonChoice, Predictor, Rank, choose_site, m1_predictors


@dataclass(frozen=True)
class ChooseRequest(EegChoice):
    """Everything that `actionloop tmseeg choose` was asked.

    Attributes
    ----------
    at : mapping of site to electrode
    plan : Path or None
        OUT of `plan`, with the person's networks.
    """

    at: Mapping[str, str] = field(default_factory=dict)
    plan: Path | None = None


@dataclass(frozen=True, eq=False)
class Chosen:
    """One person's choice.

    Attributes
    ----------
    label : str
    choice : PersonChoice
    predictors : tuple of Predictor
        Of M1; empty without it.
    on_map : tuple of SiteOnMap
        Empty without `plan`.
    """

    label: str
    choice: PersonChoice
    predictors: tuple[Predictor, ...]
    on_map: tuple[SiteOnMap, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a site."""
        ranking = self.choice.ranking
        placed = {one.site: one for one in self.on_map}
        return [
            {
                "site": site,
                "global": float(ranking.value[k]),
                "low": float(ranking.interval[0, k]),
                "high": float(ranking.interval[1, k]),
                "p_lowest": float(ranking.lowest.p_first[k]),
                "p_highest": float(ranking.highest.p_first[k]),
                "n_trials": len(self.choice.kept[site]),
                "network": placed[site].network if site in placed else "",
            }
            for k, site in enumerate(ranking.sites)
        ]

    def words(self) -> list[str]:
        """Say which sites come first, or between which the trials do not decide."""
        return [_said(self.choice, rank) for rank in (self.choice.ranking.lowest, self.choice.ranking.highest)]


def _said(choice: PersonChoice, rank: Rank) -> str:
    sites = choice.ranking.sites
    if rank.is_tie:
        chances = ", ".join(f"{site} {rank.p_first[sites.index(site)]:.0%}" for site in rank.tied)
        return f"{rank.end} global connectivity: near tie between {chances}; no site is picked"
    p_first = rank.p_first[sites.index(rank.first)]
    return f"{rank.end} global connectivity: {rank.first}, P(rank 1) {p_first:.0%}"


def choose_sites(request: ChooseRequest, *, progress: Progress) -> tuple[list[Chosen], list[Outcome], list[Path]]:
    """Rank everybody's sites on equally many trials, and write table, picture and page of each person.

    Parameters
    ----------
    request : ChooseRequest
    progress : Progress

    Returns
    -------
    found : list of Chosen
    outcomes : list of Outcome
    pages : list of Path

    Raises
    ------
    ActionloopError
        Nobody who can be used.
    """
    from actionloop.pipeline.tmseegpages import write_choice

    OutputFolder.check(request.out, overwrite=request.overwrite)
    labels, found, pages = list_eeg(request), [], []
    progress.start(f"choice of site for {len(labels)} people", len(labels))

    def work(label: str) -> str:
        one = _choose(request, label)
        out = OutputFolder(request.out, overwrite=request.overwrite)
        pages.append(write_choice(request, out, one))
        found.append(one)
        return "; ".join(one.words())

    with threadpool_limits(limits=1, user_api="blas"):
        outcomes = visit(
            labels, work, progress=progress, where=request.source, stop_on_first_crash=request.stop_on_first_crash
        )
    progress.done()
    return found, outcomes, pages


def _choose(request: ChooseRequest, label: str) -> Chosen:
    cleaned = cleaned_of(request, label)
    active = {site: one for (site, condition), one in cleaned.items() if condition == ACTIVE}
    rng = np.random.default_rng([request.seed, 21])
    choice = choose_site(active, rng=rng, at=dict(request.at), sites=request.sites or None)
    predictors = m1_predictors(active["M1"], rng=rng, at=request.at.get("M1")) if "M1" in active else ()
    placed = () if request.plan is None else tuple(sites_on_map(request.plan, label, list(choice.ranking.sites)))
    return Chosen(label, choice, predictors, placed)
