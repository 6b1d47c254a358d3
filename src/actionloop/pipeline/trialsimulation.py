"""`trial simulate`: a protocol's trial in several worlds by several designs, over a grid; published trials replayed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np

from actionloop import __version__, facts, files
from actionloop.errors import OptionError
from actionloop.files import OutputFolder
from actionloop.pipeline.progress import Progress, Silent
from actionloop.pipeline.trialprotocol import packaged_protocols, protocol_digest, read_packaged
from actionloop.pipeline.trialsimulationpage import Simulated, write_simulation
from actionloop.pipeline.trialstudy import find_protocol
from actionloop.trial import (
    Design,
    Frequency,
    Grid,
    Kind,
    LikelihoodRatio,
    Replay,
    Row,
    SimulationTable,
    Workers,
    World,
    default_dropout,
    replay_published,
    simulate_designs,
    studies,
    work_as_done,
    world,
    world_names,
)
from actionloop.types import TrialProtocol

REPLAYED = (0.5, 1.0, 2.0)
_ROW = tuple(one.name for one in fields(Row))


@dataclass(frozen=True)
class SimulateRequest:
    """What is simulated.

    Attributes
    ----------
    protocol : Path
        A file, or the name of one that comes along.
    out : Path
    worlds, designs : tuple of str
    sample_sizes : tuple of int
    effects, dropouts : tuple of float
    trials, workers : int
    dask : str or None
    replay : bool
    seed : int
    overwrite : bool
    """

    protocol: Path
    out: Path
    worlds: tuple[str, ...] = ()
    designs: tuple[str, ...] = ()
    sample_sizes: tuple[int, ...] = ()
    effects: tuple[float, ...] = ()
    dropouts: tuple[float, ...] = ()
    trials: int = 1000
    workers: int = 1
    dask: str | None = None
    replay: bool = False
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise OptionError(f"expected 1 trial or more, found {self.trials}", where="--trials")
        if any(n < 2 for n in self.sample_sizes):
            raise OptionError(f"a trial has 2 people or more, found {min(self.sample_sizes)}", where="--sample-sizes")
        if any(not math.isfinite(one) or one < 0 for one in self.effects):
            raise OptionError(f"effects are multiples of 0 or more, found {self.effects}", where="--effects")
        if any(not 0 <= one < 0.9 for one in self.dropouts):
            raise OptionError(f"expected shares of 0 to below .9, found {self.dropouts}", where="--drop-out")
        if self.seed < 0:
            raise OptionError(f"a seed is 0 or more, found {self.seed}", where="--seed")


@dataclass(frozen=True)
class Part:
    """One cell of the grid, or (without a world) the replay of a study; what a worker is sent."""

    protocol: TrialProtocol
    trials: int
    seed: int
    world: World | None = None
    design: Design | None = None
    n: int = 0
    effect: float = 1.0
    dropout: float = 0.0
    study: str = ""
    worlds: tuple[World, ...] = ()
    effects: tuple[float, ...] = ()

    def settings(self) -> dict[str, Any]:
        """Return all that its result follows from."""
        plain = {**asdict(self), "protocol": protocol_digest(self.protocol)}
        return {**plain, "assumptions": facts.load("trial_simulation")["version"], "actionloop": __version__}

    def key(self) -> str:
        """Return a name for the result: a hash of the settings."""
        text = json.dumps(self.settings(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def words(self) -> str:
        """Name the part for the log."""
        if self.world is None or self.design is None:
            return f"replay of {self.study}"
        told = f"{self.world.name}, {self.design.name}, n {self.n}, effect × {self.effect:g}"
        return f"{told}, drop-out {100 * self.dropout:.0f} %"


def simulate_trial(request: SimulateRequest, *, progress: Progress | None = None) -> tuple[tuple[str, ...], Path]:
    """Simulate the grid and, if asked for, replay the published trial; write table, pictures and page.

    Parts that are finished stand in the folder and are taken as they are when the same is asked for again.

    Returns
    -------
    tuple of str
        What such a trial can and cannot show.
    Path
        The page.

    Raises
    ------
    OptionError
        No such world, design or published trial; a candidate of which nothing is known; Dask is not there.
    """
    told = progress or Silent()
    protocol = find_protocol(request.protocol)
    parts = [*_cells(request, protocol), *([_replayed(request, protocol)] if request.replay else [])]
    workers = Workers(request.workers, request.dask)
    out = OutputFolder(request.out, overwrite=request.overwrite)
    made = {k: found for k, part in enumerate(parts) if (found := _kept(out, part)) is not None}
    told.start("simulate", len(parts) - len(made) + 1)
    if made:
        told.note(f"{len(made)} of {len(parts)} parts were there")
    left = [k for k in range(len(parts)) if k not in made]
    for number, result in work_as_done(run_part_of, [parts[k] for k in left], workers):
        part = parts[left[number]]
        content = {"Settings": part.settings(), "Result": result}
        out.write("trial_cell", {"cell": part.key()}, lambda path, content=content: files.write_json(path, content))  # type: ignore[misc]
        made[left[number]] = result
        told.step(part.words())
    told.step("writing")
    rows = [_row(one) for k, part in enumerate(parts) if not part.study for one in made[k]]
    replays = tuple(_replay_of(made[k]) for k, part in enumerate(parts) if part.study)
    sources = (request.protocol,) if request.protocol.is_file() else ()
    found = Simulated(
        protocol, SimulationTable(tuple(rows), protocol.alpha), replays, request.trials, request.seed, sources
    )
    result = write_simulation(out, found)
    told.done()
    return result


def _cells(request: SimulateRequest, protocol: TrialProtocol) -> Iterator[Part]:
    known = facts.load("trial_results")["simulated"]
    names = request.worlds or tuple(known["worlds"])
    worlds = [world(name) for name in (world_names() if names == ("all",) else dict.fromkeys(names))]
    designs = [read_design(word) for word in dict.fromkeys(request.designs or ("parallel",))]
    sizes = request.sample_sizes or (protocol.sample_size,)
    rates = request.dropouts or (default_dropout().rate,)
    for one, design, n in product(worlds, designs, dict.fromkeys(sizes)):
        # Where nothing depends on the arm, the size of an effect makes no difference.
        effects = (1.0,) if one.null else tuple(dict.fromkeys(request.effects or (1.0,)))
        for effect, rate in product(effects, dict.fromkeys(rates)):
            yield Part(protocol, request.trials, request.seed, one, design, n, effect, rate)


def read_design(word: str) -> Design:
    """Read KIND or KIND=NUMBER.

    Raises
    ------
    OptionError
    """
    kind, _, number = word.partition("=")
    if kind not in get_args(Kind):
        raise OptionError(
            f"no design is called {kind!r}", where="--designs", fix=f"choose from {', '.join(get_args(Kind))}"
        )
    if not number:
        return Design(kind)  # type: ignore[arg-type]
    field_of = {"enriched": "keep_share", "crossover": "washout_weeks", "drop": "interim_share"}
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if kind not in field_of or not math.isfinite(value):
        raise OptionError(f"cannot read {word!r}", where="--designs", fix="such as enriched=0.3, crossover=4, drop=0.5")
    return replace(Design(kind), **{field_of[kind]: value})  # type: ignore[arg-type]


def _replayed(request: SimulateRequest, protocol: TrialProtocol) -> Part:
    known = {protocol_digest(read_packaged(name)): name for name in packaged_protocols() if name in studies()}
    study = known.get(protocol_digest(protocol))
    if study is None:
        raise OptionError(
            "the protocol is of no published trial that can be replayed",
            where="--replay",
            fix=f"give one of {', '.join(known.values())} as PROTOCOL",
        )
    names = world_names() if request.worlds in ((), ("all",)) else request.worlds
    worlds = tuple(world(name) for name in dict.fromkeys(names))
    effects = request.effects or REPLAYED
    return Part(protocol, request.trials, request.seed, study=study, worlds=worlds, effects=effects)


def run_part_of(part: Part) -> Any:
    """Run one part in one process; what a worker does."""
    rng = np.random.default_rng(part.seed)
    if part.world is None or part.design is None:
        found = replay_published(
            part.study, part.protocol, n_trials=part.trials, rng=rng, worlds=part.worlds, effects=part.effects
        )
        return asdict(found)
    grid = Grid((part.n,), (part.effect,), (part.dropout,))
    table = simulate_designs(part.protocol, [part.world], [part.design], n_trials=part.trials, rng=rng, grid=grid)
    return [{name: _plain(value) for name, value in asdict(row).items()} for row in table.rows]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _kept(out: OutputFolder, part: Part) -> Any:
    """Return the result of a finished part, or None; a file that cannot be read, or is of another run, is made anew."""
    path = out.file("trial_cell", {"cell": part.key()})
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        same = content["Settings"] == json.loads(json.dumps(part.settings()))
        found = content["Result"]
        made = [_row(one) for one in found] if not part.study else _replay_of(found)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if same and made else None


def _row(given: Mapping[str, Any]) -> Row:
    values: dict[str, Any] = {name: math.nan if given[name] is None else given[name] for name in _ROW}
    return Row(**values)


def _replay_of(given: Mapping[str, Any]) -> Replay:
    def pairs(listed: Sequence[Sequence[Any]]) -> tuple[tuple[Any, ...], ...]:
        return tuple(tuple(one) for one in listed)

    return Replay(
        **{
            **given,
            "frequencies": tuple(Frequency(**{**one, "parts": pairs(one["parts"])}) for one in given["frequencies"]),
            "ratios": tuple(LikelihoodRatio(**{**one, "signs": pairs(one["signs"])}) for one in given["ratios"]),
        }
    )
