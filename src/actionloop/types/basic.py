"""Names that every type uses: hemispheres, kinds of surfaces, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Hemisphere = Literal["L", "R"]
HEMISPHERES: tuple[Hemisphere, Hemisphere] = get_args(Hemisphere)
SIDES: Mapping[Hemisphere, str] = {"L": "left", "R": "right"}
SurfaceKind = Literal["white", "pial", "midthickness", "inflated", "sphere"]

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]

FSLR32K_VERTICES = 32_492
