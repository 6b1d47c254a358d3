"""What candidate designs would find: power, type I error, bias, precision and coverage over a grid of assumptions."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.trial.designs import ANY, Design, run
from actionloop.trial.estimators import METHODS, Estimates, Plan, plan_of
from actionloop.trial.observe import true_effects
from actionloop.trial.patients import Seed, Setting
from actionloop.trial.workers import Workers, work
from actionloop.trial.worlds import (
    Dropout,
    Population,
    Rescue,
    World,
    default_dropout,
    default_population,
    default_rescue,
)
from actionloop.types import FloatArray, TrialProtocol

_ENGINE = facts.load("trial_simulation")["engine"]
Part = Mapping[tuple[str, str], Estimates]


@dataclass(frozen=True)
class Grid:
    """What is varied: people, multiples of the worlds' effects, shares who leave."""

    n: tuple[int, ...] = ()
    effects: tuple[float, ...] = (1.0,)
    dropouts: tuple[float, ...] = ()


@dataclass(frozen=True)
class Assumptions:
    """The people, how they leave, what rescue does; by default those of data/trial_simulation.toml."""

    population: Population = field(default_factory=default_population)
    dropout: Dropout = field(default_factory=default_dropout)
    rescue: Rescue = field(default_factory=default_rescue)


@dataclass(frozen=True)
class Cell:
    """One line of the grid, before analyses are told apart."""

    world: World
    design: Design
    n: int
    effect: float
    setting: Setting

    def seed(self, root: int, trial: int) -> Seed:
        """Return the seed of one trial: it depends on what the cell is, not on where it stands in a grid."""
        leaving = self.setting.dropout
        name = (self.world.name, self.design.name, self.n, self.effect, leaving.rate, leaving.mechanism)
        return Seed([root, zlib.crc32(repr(name).encode()), trial])


@dataclass(frozen=True)
class Row:
    """One analysis of one comparison in one cell; every figure with its Monte Carlo standard error.

    Attributes
    ----------
    world, design, method, arm : str
        The arm is compared with the control; 'any' is the familywise decision.
    n, trials, failed : int
        People per trial, trials simulated, trials in which the analysis gave nothing (they count as not rejecting).
    effect, dropout, truth : float
        Multiple of the world's effects; share who leave; true difference, NaN for 'any'.
    null : bool
        Whether every rejection is wrong: then `rejected` is the type I error, else power.
    rejected, bias, width, coverage : float
        Share of trials with p < alpha; mean estimate − truth; mean width of the interval; share of intervals that
        hold the truth.
    spread : float
        Standard deviation of the estimates.
    """

    world: str
    design: str
    n: int
    effect: float
    dropout: float
    method: str
    arm: str
    truth: float
    null: bool
    trials: int
    failed: int
    rejected: float
    rejected_se: float
    bias: float
    bias_se: float
    spread: float
    width: float
    width_se: float
    coverage: float
    coverage_se: float


@dataclass(frozen=True)
class SimulationTable:
    """Rows, in the order of worlds, designs, people, effects, drop-out, methods and arms."""

    rows: tuple[Row, ...]
    alpha: float
    version: int = field(default=int(facts.load("trial_simulation")["version"]))

    def columns(self) -> dict[str, list[Any]]:
        """Return the table column by column."""
        return {one.name: [getattr(row, one.name) for row in self.rows] for one in fields(Row)}

    def find(self, **wanted: Any) -> tuple[Row, ...]:
        """Return the rows with these values."""
        return tuple(row for row in self.rows if all(getattr(row, name) == value for name, value in wanted.items()))


def simulate(  # noqa: PLR0913 the question, the assumptions and who does the work
    protocol: TrialProtocol,
    worlds: Sequence[World],
    designs: Sequence[Design],
    *,
    n_trials: int,
    rng: np.random.Generator,
    grid: Grid | None = None,
    plan: Plan | None = None,
    assumptions: Assumptions | None = None,
    workers: Workers | None = None,
) -> SimulationTable:
    """Simulate a protocol's trial in several worlds by several designs.

    Parameters
    ----------
    protocol : TrialProtocol
        The outcome of the primary analysis is simulated, compared at its last visit.
    worlds : sequence of World
    designs : sequence of Design
    n_trials : int
        In each cell of the grid.
    rng : Generator
        One number is taken from it. The same number gives the same table, however the work is split.
    grid : Grid, optional
        By default the protocol's sample size and the drop-out of the assumptions.
    plan : Plan, optional
        By default every analysis, adjusted and thresholded as the protocol says.
    assumptions : Assumptions, optional
    workers : Workers, optional

    Returns
    -------
    SimulationTable

    Raises
    ------
    OptionError
        No world, no design, no trial; two worlds or designs of one name; Dask asked for and not installed.
    """
    if n_trials < 1:
        raise OptionError(f"expected 1 trial or more, found {n_trials}", where="n_trials")
    for name, given in (("worlds", [one.name for one in worlds]), ("designs", [one.name for one in designs])):
        if not given or len(set(given)) < len(given):
            raise OptionError(f"expected at least one, each once; found {', '.join(given) or 'none'}", where=name)
    plan, root = plan or plan_of(protocol, METHODS), int(rng.integers(2**63))
    cells = list(grid_cells(protocol, worlds, designs, grid or Grid(), assumptions or Assumptions()))
    size = int(_ENGINE["chunk_trials"])
    parts = [
        (cell, plan, root, start, min(start + size, n_trials)) for cell in cells for start in range(0, n_trials, size)
    ]
    results = list(work(run_part, parts, workers or Workers(), large=len(cells) * n_trials >= _ENGINE["large_trials"]))
    each = len(parts) // len(cells)
    rows = [
        row
        for number, cell in enumerate(cells)
        for row in _rows(cell, plan, results[number * each : (number + 1) * each])
    ]
    return SimulationTable(tuple(rows), plan.alpha)


def grid_cells(
    protocol: TrialProtocol, worlds: Sequence[World], designs: Sequence[Design], grid: Grid, given: Assumptions
) -> Iterator[Cell]:
    """Return what there is to simulate, in the table's order; see `simulate`."""
    primary = next(one for one in protocol.analyses if one.role == "primary")
    sizes, rates = grid.n or (protocol.sample_size,), grid.dropouts or (given.dropout.rate,)
    for world, design, n, effect, rate in product(worlds, designs, sizes, grid.effects, rates):
        setting = Setting(
            protocol,
            world.scaled(effect),
            given.population,
            replace(given.dropout, rate=rate),
            given.rescue,
            primary.outcome,
            n,
        )
        yield Cell(world, design, n, effect, design.fit_to(setting))


def run_part(part: tuple[Cell, Plan, int, int, int]) -> Part:
    """Simulate some trials of one cell; what a worker is sent."""
    from threadpoolctl import threadpool_limits

    cell, plan, root, start, stop = part
    with threadpool_limits(1):
        return run(cell.design, cell.setting, plan, [cell.seed(root, trial) for trial in range(start, stop)])


def _rows(cell: Cell, plan: Plan, parts: Sequence[Part]) -> Iterator[Row]:
    truths = true_effects(cell.setting, threshold=plan.threshold)
    for method, arm in parts[0]:
        estimates = [part[method, arm] for part in parts]
        stacked = Estimates(
            *(np.concatenate([getattr(one, name) for one in estimates]) for name in ("estimate", "low", "high", "p"))
        )
        truth = float("nan") if arm == ANY else truths[arm][method.startswith("responder")]
        null = all(value == 0 for one in truths.values() for value in one) if arm == ANY else truth == 0
        yield _row(cell, method, arm, truth=truth, null=null, one=stacked, alpha=plan.alpha)


def _row(cell: Cell, method: str, arm: str, *, truth: float, null: bool, one: Estimates, alpha: float) -> Row:
    known = np.isfinite(one.p)
    rejected = np.where(known, one.p < alpha, False)
    low, high, error = one.low[known], one.high[known], one.estimate[known] - truth
    covered = np.where(np.isfinite(error), (low <= truth) & (truth <= high), np.nan)
    figures = {
        "rejected": _mean(rejected.astype(float), binary=True),
        "bias": _mean(error),
        "width": _mean(high - low),
        "coverage": _mean(covered, binary=True),
    }
    return Row(
        world=cell.world.name,
        design=cell.design.name,
        n=cell.n,
        effect=cell.effect,
        dropout=cell.setting.dropout.rate,
        method=method,
        arm=arm,
        truth=truth,
        null=null,
        trials=len(known),
        failed=int((~known).sum()),
        spread=float(error.std(ddof=1)) if len(error) > 1 else float("nan"),
        **{name: mean for name, (mean, _) in figures.items()},
        **{f"{name}_se": se for name, (_, se) in figures.items()},
    )


def _mean(values: FloatArray, *, binary: bool = False) -> tuple[float, float]:
    """Mean and its Monte Carlo standard error; of a share, not 0 where the share is 0 or 1."""
    n = len(values)
    if n < 2:
        return (float(values[0]) if n else float("nan")), float("nan")
    mean = float(values.mean())
    if binary and np.isfinite(mean):
        shrunk = (mean * n + 1) / (n + 2)
        return mean, float(np.sqrt(shrunk * (1 - shrunk) / n))
    return mean, float(values.std(ddof=1) / np.sqrt(n))
