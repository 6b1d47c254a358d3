"""Time of the MMRM over simulated null trials against R's gls in a loop and statsmodels' MixedLM.

    python -m benchmarks.trial_mmrm [--trials 4000] [--processes 2] [--others 20]

A trial is 90 people in three arms, 5 visits after baseline, three centres, about 20 % drop-out at random given what was
seen. A fit of ours is change on arm x visit, baseline x visit and centre under an unstructured covariance, with both
differences from the first arm at the last visit, each with Kenward-Roger's standard error, degrees of freedom, p and
interval; making the data is not timed. gls fits the same model (corSymm and varIdent, REML, its own defaults) and stops
there: it has no such degrees of freedom. MixedLM has no unstructured covariance; it fits a random intercept. Both are
timed inside their loop, start and reading left out, on the first `others` trials. Prints one line of JSON; asserts
nothing. `type_1` is the share of p below .05 and `covered` that of 95 % intervals which hold the true 0, over both
differences; `standard_error` is binomial, of one difference over all trials.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import tempfile
import time
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from actionloop.trial.mmrm import fit_many
from actionloop.types import TrialData

N, VISITS, ARMS, CENTRES, DROP_OUT = 90, 5, ("classic", "low", "high"), ("a", "b", "c"), 0.2
ADJUST = ("baseline", "centre")
BATCH = 100
GLS = """
suppressPackageStartupMessages(library(nlme))
d <- read.csv(commandArgs(TRUE)[1], stringsAsFactors = TRUE)
trials <- split(d, d$trial)
one <- function(d) gls(change ~ arm * visit + baseline * visit + centre, data = d, method = "REML",
  correlation = corSymm(form = ~ as.integer(visit) | person), weights = varIdent(form = ~ 1 | visit))
invisible(try(one(trials[[1]])))
failed <- 0
took <- system.time(for (d in trials) { f <- try(one(d), silent = TRUE); failed <- failed + inherits(f, "try-error") })
cat(sum(took[c("user.self", "sys.self")]) / length(trials), failed)
"""


def simulate(seed: int) -> TrialData:
    """One trial in which no arm differs; who had a worse last rating leaves more often."""
    rng = np.random.default_rng([20260302, seed])
    sd = np.linspace(1.5, 2.1, VISITS + 1)
    lag = np.abs(np.subtract.outer(np.arange(VISITS + 1), np.arange(VISITS + 1)))
    correlation = 0.4 + 0.6 * 0.6**lag - 0.2 * (lag > 0)
    rating = 6 + rng.standard_normal((N, VISITS + 1)) @ np.linalg.cholesky(correlation * np.outer(sd, sd)).T
    rating[:, 1:] -= np.linspace(0.5, 2, VISITS)
    hazard = 1 - (1 - DROP_OUT) ** (1 / (VISITS - 1))
    gone = np.zeros((N, VISITS), dtype=bool)
    for a in range(1, VISITS):
        worse = np.clip(1 + 0.25 * (rating[:, a] - rating[:, a].mean()), 0, 2)
        gone[:, a] = gone[:, a - 1] | (rng.random(N) < hazard * worse)
    return TrialData(
        participants=tuple(f"p{i}" for i in range(N)),
        arms=ARMS,
        arm=rng.permutation(np.arange(N) % len(ARMS)),
        visits=tuple(f"v{a + 1}" for a in range(VISITS)),
        weeks=np.arange(VISITS) * 1.6 + 1.6,
        baseline=rating[:, 0],
        value=np.where(gone, np.nan, rating[:, 1:]),
        stopped=gone,
        factors={"centre": rng.choice(np.array(CENTRES), N)},
    )


def ours(seeds: range) -> tuple[float, int, int, Counter[str], list[int]]:
    """CPU seconds, small p, intervals that hold 0, structures and steps over some trials."""
    trials = [simulate(seed) for seed in seeds]
    began = time.process_time()
    small, covered, kept, steps = 0, 0, Counter[str](), []
    for fit in fit_many(trials, adjust=ADJUST):
        if isinstance(fit, Exception):
            kept["refused"] += 1
            continue
        kept[fit.model.structure] += 1
        steps.append(fit.model.iterations)
        for arm in ARMS[1:]:
            found = fit.difference(arm, ARMS[0], "v5")
            small += found.p < 0.05
            covered += found.low <= 0 <= found.high
    return time.process_time() - began, small, covered, kept, steps


def rows(seeds: range) -> list[dict[str, object]]:
    """Trials as one long table."""
    table = []
    for seed in seeds:
        data = simulate(seed)
        for i, a in zip(*np.nonzero(~np.isnan(data.value)), strict=True):
            table.append(
                {
                    "trial": seed,
                    "person": data.participants[i],
                    "arm": ARMS[data.arm[i]],
                    "centre": data.factors["centre"][i],
                    "baseline": data.baseline[i],
                    "visit": data.visits[a],
                    "change": data.change[i, a],
                }
            )
    return table


def gls(seeds: range) -> dict[str, float]:
    """CPU seconds a trial of R's loop; empty where Rscript or nlme is absent."""
    program = shutil.which("Rscript")
    if program is None:
        return {}
    import pandas

    with tempfile.TemporaryDirectory() as folder:
        table, script = Path(folder) / "trials.csv", Path(folder) / "gls.R"
        pandas.DataFrame(rows(seeds)).to_csv(table, index=False)
        script.write_text(GLS)
        done = subprocess.run([program, str(script), str(table)], capture_output=True, text=True, check=False)
    if done.returncode:
        return {}
    seconds, failed = done.stdout.split()
    return {"gls_s": float(seconds), "gls_failed": int(failed)}


def mixedlm(seeds: range) -> float:
    """CPU seconds a trial of statsmodels' random intercept."""
    import pandas
    import statsmodels.formula.api as smf

    groups = [one for _, one in pandas.DataFrame(rows(seeds)).groupby("trial")]
    formula = "change ~ C(arm) * C(visit) + baseline * C(visit) + C(centre)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        smf.mixedlm(formula, groups[0], groups=groups[0]["person"]).fit(reml=True)
        began = time.process_time()
        for one in groups:
            smf.mixedlm(formula, one, groups=one["person"]).fit(reml=True)
    return (time.process_time() - began) / len(groups)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--others", type=int, default=20)
    given = parser.parse_args()
    batches = [range(a, min(a + BATCH, given.trials)) for a in range(0, given.trials, BATCH)]
    with ProcessPoolExecutor(given.processes) as pool:
        list(pool.map(ours, [range(1)] * given.processes))
        began = time.perf_counter()
        parts = list(pool.map(ours, batches))
        wall = time.perf_counter() - began
    seconds = sum(part[0] for part in parts) / given.trials
    kept = sum((part[3] for part in parts), Counter[str]())
    steps = [one for part in parts for one in part[4]]
    compared = 2 * len(steps)
    result = {
        "trials": given.trials,
        "cpu_ms_a_trial": round(1000 * seconds, 2),
        "wall_s_with_simulation": round(wall, 1),
        "processes": given.processes,
        "structures": dict(kept),
        "steps_mean": round(float(np.mean(steps)), 2),
        "steps_most": max(steps),
        "type_1": round(sum(part[1] for part in parts) / compared, 4),
        "covered": round(sum(part[2] for part in parts) / compared, 4),
        "standard_error": round(math.sqrt(0.05 * 0.95 / len(steps)), 4),
    }
    others = range(min(given.others, given.trials))
    found = gls(others)
    if found:
        result |= {"gls_ms": round(1000 * found["gls_s"], 1), "gls_failed": found["gls_failed"]}
        result["gls_over_ours"] = round(found["gls_s"] / seconds, 1)
    other = mixedlm(others)
    result |= {"mixedlm_ms": round(1000 * other, 1), "mixedlm_over_ours": round(other / seconds, 1)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
