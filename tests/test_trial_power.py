"""Power and exact size against naive sums, scipy and statsmodels; sample sizes; bad input."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from actionloop.errors import OptionError
from actionloop.trial.exactsize import exact_size
from actionloop.trial.power import (
    detectable_difference,
    detectable_share,
    power_means,
    power_proportions,
    sample_size_means,
    sample_size_proportions,
    score_statistic,
)


def naive_power(p: float, q: float, n: int, m: int, *, alpha: float = 0.05, pooled: bool = True) -> float:
    """Sum over all pairs of counts, one by one."""
    cut, total = stats.norm.isf(alpha / 2), 0.0
    for x in range(n + 1):
        for y in range(m + 1):
            a, b = x / n, y / m
            together = (x + y) / (n + m)
            variance = together * (1 - together) * (1 / n + 1 / m) if pooled else a * (1 - a) / n + b * (1 - b) / m
            if variance > 0 and abs(a - b) / variance**0.5 >= cut - 1e-9:
                total += comb(n, x) * p**x * (1 - p) ** (n - x) * comb(m, y) * q**y * (1 - q) ** (m - y)
    return total


def test_the_published_example_is_the_pooled_uncorrected_score_test():
    assert float(power_proportions(0.47, 0.67, 30)) == pytest.approx(0.349, abs=5e-4)
    assert naive_power(0.47, 0.67, 30, 30) == pytest.approx(0.349, abs=5e-4)
    assert naive_power(0.47, 0.67, 30, 30, pooled=False) > 0.353
    assert float(power_proportions(0.47, 0.81, 30)) == pytest.approx(0.80, abs=5e-3)


@pytest.mark.parametrize(("n", "m", "alpha"), [(2, 3, 0.2), (7, 11, 0.05), (24, 24, 0.05), (30, 28, 0.01)])
def test_enumeration_equals_the_double_loop(n, m, alpha):
    p, q = np.array([0.1, 0.5, 0.9, 0.33])[:, None], np.array([0.2, 0.5, 0.77])
    got = power_proportions(p, q, n, m, alpha=alpha)
    wanted = [[naive_power(float(a), float(b), n, m, alpha=alpha) for b in q] for a in p[:, 0]]
    np.testing.assert_allclose(got, wanted, atol=1e-12)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_the_statistic_is_the_root_of_chi_square(n, m, data):
    x, y = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    z = float(score_statistic(np.array(float(x)), np.array(float(y)), np.array(float(n)), np.array(float(m))))
    if 0 < x + y < n + m:
        table = np.array([[x, n - x], [y, m - y]])
        assert z**2 == pytest.approx(stats.chi2_contingency(table, correction=False).statistic, abs=1e-9)
    else:
        assert z == 0.0


def test_size_is_power_at_equal_shares_and_its_excess_is_told():
    found = exact_size(24)
    assert found.maximum == pytest.approx(0.0595, abs=5e-4)
    assert found.at == pytest.approx(0.5, abs=0.01)
    assert found.size[found.proportion == 0.3][0] == pytest.approx(naive_power(0.3, 0.3, 24, 24), abs=1e-12)
    assert "0.060" in found.note()
    assert "0.05" in found.note()
    assert exact_size(5, alpha=0.5, proportion=np.array([0.01])).note() == ""
    np.testing.assert_allclose(found.size, found.size[::-1], atol=1e-12)


def test_power_of_means_equals_statsmodels():
    power = pytest.importorskip("statsmodels.stats.power")
    for d, n, m in ((0.3, 20, 20), (0.74, 30, 30), (0.5, 40, 25), (1.5, 60, 60)):
        wanted = power.TTestIndPower().power(d, n, 0.05, ratio=m / n)
        assert float(power_means(d, n, m)) == pytest.approx(wanted, abs=1e-9)
        wanted = power.NormalIndPower().power(d, n, 0.05, ratio=m / n)
        assert float(power_means(d, n, m, method="normal")) == pytest.approx(wanted, abs=1e-9)
    assert float(power_means(0.0, 30)) == pytest.approx(0.05, abs=1e-12)
    assert float(power_means(-0.6, 30)) == pytest.approx(float(power_means(0.6, 30)), abs=1e-12)


def test_detectable_differences():
    d = detectable_difference(30, correlation=np.array([0.0, 0.5]))
    np.testing.assert_allclose(d, [0.74, 0.64], atol=5e-3)
    np.testing.assert_allclose(power_means(d, 30, correlation=np.array([0.0, 0.5])), 0.8, atol=1e-9)
    share = float(detectable_share(0.47, 30))
    assert share == pytest.approx(0.81, abs=5e-3)
    assert float(power_proportions(share, 0.47, 30)) == pytest.approx(0.8, abs=1e-6)
    assert np.isnan(detectable_share(0.99, 5))


def test_a_baseline_that_explains_half_the_variance_halves_the_sample():
    plain, adjusted = sample_size_means(0.3), sample_size_means(0.3, correlation=np.sqrt(0.5))
    assert int(adjusted) == pytest.approx(int(plain) / 2, abs=2)


def test_sample_sizes_are_the_smallest_that_do():
    n = int(sample_size_means(0.5))
    assert n == 64
    assert float(power_means(0.5, n)) >= 0.8 > float(power_means(0.5, n - 1))
    n = sample_size_proportions(0.67, 0.47)
    later = [float(power_proportions(0.67, 0.47, size)) for size in range(n, n + 15)]
    assert min(later) >= 0.8 > float(power_proportions(0.67, 0.47, n - 1))


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (lambda: power_proportions(0.0, 0.5, 30), "share"),
        (lambda: power_proportions(0.5, 1.2, 30), "reference"),
        (lambda: power_proportions(0.5, 0.5, 1), "n"),
        (lambda: power_proportions(0.5, 0.5, 30, alpha=0), "alpha"),
        (lambda: power_means(0.5, 30, correlation=1.0), "correlation"),
        (lambda: sample_size_means(1e-6), "d"),
        (lambda: sample_size_proportions(0.5, 0.5), "share"),
        (lambda: sample_size_proportions(0.5, 0.501), "share"),
    ],
)
def test_bad_input_is_one_clear_error(call, where):
    with pytest.raises(OptionError) as error:
        call()
    assert error.value.where == where
