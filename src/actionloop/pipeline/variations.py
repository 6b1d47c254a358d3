"""`actionloop variability`: where many people's networks lie, where they differ, and what a fixed place would hit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from actionloop import facts, files
from actionloop.atlas import (
    FixedSite,
    MapCounts,
    ProbabilityAtlas,
    Scatter,
    SiteChance,
    island_centres,
    left_out_chance,
    left_out_places,
    node_centres,
    place_site,
    scatter,
    site_chances,
)
from actionloop.errors import EmptyRegionError, GeometryError, InputError
from actionloop.files import OutputFolder
from actionloop.pipeline.people import visit
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.run import Outcome
from actionloop.pipeline.variationperson import KeptMap, MapSource, VariabilityRequest
from actionloop.targets import conventional_sites
from actionloop.types import Hemisphere, IntArray, NetworkMap

Place = tuple[str, Hemisphere]


@dataclass(frozen=True, eq=False)
class Variability:
    """What many people's maps show.

    Attributes
    ----------
    atlas : ProbabilityAtlas
    found_in : mapping of (name, hemisphere) to (person,) int ndarray
        Centre of each SCAN node and AMN island in each person; -1 where absent.
    scatters : mapping of (name, hemisphere) to Scatter
        Of those that enough people have.
    unmeasured : mapping of (name, hemisphere) to str
        Why the others have no scatter.
    sites : tuple of FixedSite
    chances : tuple of SiteChance
        Of the sites, in their order, and then of the group's places.
    networks : mapping of str to int
        People in whom each network was found at all.
    people : tuple of mappings
    maps : str
    phantoms : bool
    outcomes : tuple of Outcome
    """

    atlas: ProbabilityAtlas
    found_in: Mapping[Place, IntArray]
    scatters: Mapping[Place, Scatter]
    unmeasured: Mapping[Place, str]
    sites: tuple[FixedSite, ...]
    chances: tuple[SiteChance, ...]
    networks: Mapping[str, int]
    people: tuple[Mapping[str, Any], ...]
    maps: str
    phantoms: bool
    outcomes: tuple[Outcome, ...]


def variability(request: VariabilityRequest, *, progress: Progress) -> tuple[Variability, Path]:
    """Put people's maps together, one in memory at a time, and write maps, tables, pictures and page.

    What is needed of a map (labels and centres) is kept in OUT/.work, so that the maps are not read again for the
    chances, and a run that was killed goes on. A person who cannot be used is named and left out.

    Parameters
    ----------
    request : VariabilityRequest
    progress : Progress

    Returns
    -------
    found : Variability
    page : Path

    Raises
    ------
    ActionloopError
        What concerns everybody: options or files that cannot be used, nobody who can; nothing has been written then.
    """
    from actionloop.pipeline.variationpage import write_variability

    OutputFolder.check(request.out, overwrite=request.overwrite)
    files.require(groups=("plan",))
    sites = _sites(request)
    source = MapSource(request)
    if len(source.labels) < 2:
        raise InputError(
            "variability needs two people or more, found one", where=request.source, fix="give more people's maps"
        )
    progress.start(f"variability of {len(source.labels)} people", len(source.labels) + 2)
    kept: list[KeptMap] = []
    rows: list[dict[str, Any]] = []

    def work(label: str) -> str:
        row, own = source.person(label, progress=progress)
        if kept and not own.axis.same_rows(kept[0].axis):
            raise GeometryError(
                f"this person's map has {len(own.axis)} rows, the others' {len(kept[0].axis)}, or others of them",
                fix="give maps of one kind: of the cortex, or --subcortex and 91k maps of one program",
            )
        # One axis for all: the rows of fifty people need not be held fifty times.
        kept.append(own.on(kept[0].axis) if kept else own)
        rows.append(row)
        return f"map: {row['Map']}"

    with threadpool_limits(limits=1, user_api="blas"):
        outcomes = visit(
            source.labels,
            work,
            progress=progress,
            where=request.source,
            stop_on_first_crash=request.stop_on_first_crash,
        )
        progress.step("nodes, islands and fixed places")
        found = _put_together(kept, sites, rows, source, outcomes)
        progress.step("writing")
        page = write_variability(request, found, source.inputs)
    progress.done()
    return found, page


def _put_together(
    kept: list[KeptMap],
    sites: list[FixedSite],
    rows: list[dict[str, Any]],
    source: MapSource,
    outcomes: Sequence[Outcome],
) -> Variability:
    networks = _networks(kept)
    template = files.template_anatomy()
    counts: MapCounts | None = None
    for one in kept:
        made = one.read(networks)
        counts = counts or MapCounts.like(made)
        counts.add(made)
    assert counts is not None  # somebody was used
    wanted = [name for name in facts.load("atlas")["page"]["networks"] if name in networks]
    if not wanted:
        raise InputError(
            f"nobody's map has a network {' or '.join(facts.load('atlas')['page']['networks'])}",
            fix="map with a prior that has them",
        )
    centres = _centres(kept)
    scatters: dict[Place, Scatter] = {}
    unmeasured: dict[Place, str] = {}
    for place, own in centres.items():
        try:
            scatters[place] = scatter(own, template, name=place[0], hemisphere=place[1])
        except EmptyRegionError as error:
            unmeasured[place] = error.problem
    chances = site_chances(_cortical(kept, networks), sites, template, networks=wanted)
    for place in scatters:
        network = next(name for name in wanted if place[0].startswith(name))
        vertices = left_out_places(centres[place], template, place[1])
        maps = _cortical(kept, networks)
        chances.append(left_out_chance(maps, vertices, template, place=place, network=network))
    return Variability(
        atlas=counts.result(),
        found_in=centres,
        scatters=scatters,
        unmeasured=unmeasured,
        sites=tuple(sites),
        chances=tuple(chances),
        networks={name: sum(name in one.names for one in kept) for name in networks},
        people=tuple(rows),
        maps=source.words,
        phantoms=source.phantoms,
        outcomes=tuple(outcomes),
    )


def _networks(kept: Sequence[KeptMap]) -> dict[str, tuple[int, tuple[float, ...]]]:
    """Every network that anybody has, with a key of its own and its first colour.

    A file of labels does not name networks that its person lacks, so that people need not have the same.
    """
    found: dict[str, tuple[int, tuple[float, ...]]] = {}
    for one in kept:
        for name, key, colour in one.networks:
            if name not in found:
                taken = {used for used, _ in found.values()}
                found[name] = (key if key not in taken else max(taken) + 1, colour)
    return found


def _centres(kept: Sequence[KeptMap]) -> dict[Place, IntArray]:
    """Return centres of SCAN nodes and of AMN's dlPFC islands in everybody; (person,) each."""
    people = [one.places for one in kept]
    found = node_centres(people, "SCAN")
    with contextlib.suppress(EmptyRegionError):  # no island is shared: the page says so
        found.update(island_centres(people, files.template_anatomy()))
    return found


def _cortical(kept: Sequence[KeptMap], networks: Mapping[str, tuple[int, tuple[float, ...]]]) -> Iterator[NetworkMap]:
    """Go through the maps' cortex, one in memory at a time."""
    for one in kept:
        yield one.read(networks).cortex()


def _sites(request: VariabilityRequest) -> list[FixedSite]:
    """Put the conventional sites, and the place that was asked for, on the template's cortex."""
    template, axis = files.template_anatomy(), files.template_grayordinates()
    cortex: dict[Hemisphere, IntArray] = {"L": axis.vertices("L"), "R": axis.vertices("R")}
    asked = [(site.name, site.xyz_mni) for site in conventional_sites()]
    if request.coordinate is not None:
        words = ", ".join(f"{value:g}" for value in request.coordinate)
        asked.append((f"coordinate {words}", np.array(request.coordinate)))
    return [place_site(xyz_mni, template, name=name, cortex=cortex) for name, xyz_mni in asked]
