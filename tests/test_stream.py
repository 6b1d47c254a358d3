"""Blocks of the matrix of correlations, against the whole of it."""

from __future__ import annotations

import numpy as np
import pytest

from actionloop import arrays
from actionloop.errors import OptionError
from actionloop.signal.stream import BLOCK_BYTES, correlation_blocks
from actionloop.types import Basis, Grayordinates


def basis(rows: int = 130, dimensions: int = 7) -> Basis:
    data = np.random.default_rng(3).standard_normal((dimensions, rows)).astype(np.float32)
    data /= np.linalg.norm(data, axis=0)
    data[:, 5] = 0
    left = rows // 2
    return Basis(data, Grayordinates(np.arange(left), np.arange(rows - left)), data.any(axis=0), 50, 1.0, 0.0)


def whole(of: Basis) -> np.ndarray:
    return of.data.T.astype(float) @ of.data


@pytest.mark.parametrize("name", ["cpu", "torch", None])
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("block_bytes", [1, 4 * 130 * 9, BLOCK_BYTES])
def test_blocks_join_to_the_matrix(name, upper, block_bytes):
    of = basis()
    device = None if name is None else arrays.device(name)
    found, last = np.full((130, 130), np.nan), 0
    for rows, block in correlation_blocks(of, upper=upper, device=device, block_bytes=block_bytes):
        assert rows.start == last and block.dtype == np.float32
        assert block.nbytes <= block_bytes or len(block) == 1
        found[rows, rows.start if upper else 0 :] = block
        block[:] = 9  # theirs to write to
        last = rows.stop
    assert last == 130
    wanted = np.ones((130, 130), dtype=bool)
    if upper and block_bytes == 1:
        wanted = np.triu(wanted)
    elif upper and block_bytes < BLOCK_BYTES:
        assert np.isnan(found).any()
        wanted = np.triu(wanted)
    np.testing.assert_allclose(found[wanted], whole(of)[wanted], atol=1e-6)
    assert (found[5, 5:] == 0).all()


def test_blocks_of_some_rows():
    of = basis()
    blocks = [
        (rows, block.copy()) for rows, block in correlation_blocks(of, rows=slice(20, 50), block_bytes=4 * 130 * 7)
    ]
    assert [(rows.start, rows.stop) for rows, _ in blocks] == [(20, 27), (27, 34), (34, 41), (41, 48), (48, 50)]
    np.testing.assert_allclose(np.concatenate([block for _, block in blocks]), whole(of)[20:50], atol=1e-6)
    assert list(correlation_blocks(of, rows=slice(20, 20))) == []


def test_a_block_of_the_whole_brain_is_at_most_200_megabytes():
    data = np.ones((1, 91_282), dtype=np.float32)
    axis = Grayordinates(np.arange(45_641), np.arange(45_641), n_vertices=50_000)
    rows, block = next(correlation_blocks(Basis(data, axis, np.ones(91_282, dtype=bool), 9, 1.0, 0.0)))
    assert block.nbytes <= 200_000_000
    assert (rows.stop - rows.start + 1) * 91_282 * 4 > 200_000_000


@pytest.mark.parametrize("options", [{"rows": slice(0, 10, 2)}, {"block_bytes": 0}])
def test_bad_input_is_refused(options):
    with pytest.raises(OptionError, match="one after another"):
        next(correlation_blocks(basis(), **options))
