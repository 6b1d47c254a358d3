"""Write the simulated trials that MMRM is compared with R on: python mmrm_data.py (seed 20260302, numpy's PCG64).

`three_arms`: 90 people, 5 visits, drop-out. `two_arms`: 40 people, 4 visits, values missing anywhere, variances growing
fourfold. `small`: 24 people, 3 visits on a scale of 100, 30 % missing.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TRIALS = {
    "three_arms": (90, 5, 3, 2.0, 1.4, "drop-out"),
    "two_arms": (40, 4, 2, 1.0, 2.0, "anywhere"),
    "small": (24, 3, 2, 15.0, 1.2, "anywhere"),
}


def write(name: str, rng: np.random.Generator) -> None:
    """Write one trial as a long table; a missing change has no line."""
    n, v, k, sd, growth, missing = TRIALS[name]
    arm = rng.permutation(np.arange(n) % k)
    centre = rng.integers(0, 3, n)
    scale = sd * np.linspace(1, growth, v + 1)
    lag = np.abs(np.subtract.outer(np.arange(v + 1), np.arange(v + 1)))
    correlation = 0.5 * 0.7**lag + 0.3 + 0.2 * (lag == 0)
    rating = rng.standard_normal((n, v + 1)) @ np.linalg.cholesky(correlation * np.outer(scale, scale)).T
    rating += 4 * sd - sd * 0.3 * np.arange(v + 1) * (1 + 0.2 * arm[:, None]) + 0.3 * sd * centre[:, None]
    rating = rating.round(3)
    if missing == "drop-out":
        gone = np.where(rng.random(n) < 0.25, rng.integers(1, v, n), v)[:, None] <= np.arange(v)
    else:
        gone = rng.random((n, v)) < (0.3 if name == "small" else 0.15)
    lines = ["person,arm,centre,baseline,visit,change"]
    for i in range(n):
        for a in range(v):
            if not gone[i, a]:
                change = rating[i, a + 1] - rating[i, 0]
                lines.append(f"p{i + 1:02d},a{arm[i]},c{centre[i]},{rating[i, 0]:.3f},v{a + 1},{change:.3f}")
    (HERE / f"mmrm_{name}.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    source = np.random.default_rng(20260302)
    for trial in TRIALS:
        write(trial, source)
