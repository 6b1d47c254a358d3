"""Montage, recording and trials refuse what cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from actionloop.errors import GeometryError, SignalError
from actionloop.types import Montage, Recording, Trials

NAMES = tuple("ABCD")
PLACES = 90.0 * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]], float)


def montage():
    return Montage(NAMES, PLACES)


def test_a_montage_in_another_unit_or_with_twins_is_refused():
    assert montage().index("C") == 2 and montage().only(np.array([True, False, True, False])).names == ("A", "C")
    for places, expected in (
        (PLACES / 1000, "check the unit of the electrode positions"),
        (PLACES * 10, "from the head's middle"),
        (PLACES[[0, 0, 1, 2]], "A and B lie at one place"),
        (np.where(PLACES == 90, np.nan, PLACES), "no place is known of A, B, C"),
        (PLACES[:3], "expected one place"),
    ):
        with pytest.raises(GeometryError, match=expected):
            Montage(NAMES, places)
    with pytest.raises(GeometryError, match="of one name: A"):
        Montage(("A", "A", "B", "C"), PLACES)
    with pytest.raises(SignalError, match="no channel 'Z'"):
        montage().index("Z")


def test_a_recording_holds_its_pulses_and_no_broken_values():
    data = np.random.default_rng(0).normal(size=(4, 1000))
    assert Recording(data, 1000.0, np.array([100, 500]), montage()).names == NAMES
    for pulses in ([500, 100], [100, 100]):
        with pytest.raises(SignalError, match="ascending"):
            Recording(data, 1000.0, np.array(pulses), montage())
    with pytest.raises(SignalError, match="outside the recording"):
        Recording(data, 1000.0, np.array([100, 1000]), montage())
    with pytest.raises(SignalError, match="4 channels by samples"):
        Recording(data[:3], 1000.0, np.array([100]), montage())
    with pytest.raises(SignalError, match="sampling rate"):
        Recording(data, float("nan"), np.array([100]), montage())
    data[1, 5] = np.nan
    with pytest.raises(SignalError, match="no numbers in B"):
        Recording(data, 1000.0, np.array([100]), montage())
    assert Recording(data, 1000.0, np.array([100]), montage(), bads=("B",)).bads == ("B",)
    with pytest.raises(SignalError, match="not in the recording: Q"):
        Recording(data, 1000.0, np.array([100]), montage(), bads=("B", "Q"))


def test_trials_know_their_windows():
    trials = Trials(np.zeros((3, 4, 301)), 1000.0, -0.1, montage(), bads=("B",))
    assert trials.times_s[100] == pytest.approx(0, abs=1e-12) and trials.good.tolist() == [True, False, True, True]
    assert trials.window(0.015, 0.080).sum() == 66
    with pytest.raises(SignalError, match="reaches beyond the trials, which last from -100 to 200 ms"):
        trials.window(0.015, 0.3)
    with pytest.raises(SignalError, match="before and after the pulse"):
        Trials(np.zeros((3, 4, 301)), 1000.0, 0.1, montage())
    with pytest.raises(SignalError, match="no trial"):
        Trials(np.zeros((0, 4, 301)), 1000.0, -0.1, montage())
    assert trials.with_data(np.ones((1, 4, 301)), reference="average").reference == "average"
