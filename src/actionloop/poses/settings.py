"""How the pose of the coil is searched."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from actionloop import facts
from actionloop.errors import OptionError


@dataclass(frozen=True)
class SearchSettings:
    """Every value of a pose search; meaning, origin and defaults stand in data/poses.toml.

    Attributes
    ----------
    radius_mm, spacing_mm, turn_deg, tilts_deg, handle_deg, farthest_mm, least_places
        Candidate poses.
    gap_mm, limit_mm
        Clearance of the casing.
    target_mm
        Radius over which the field is averaged.
    percentiles, weight_percentile, least_scale, navigation_mm
        Share on the network.
    least_field, most_poses, turn_step, refined, ranked
        Which poses come to the second stage.
    tolerance, site_tolerance, most, at_once, samples, reach_mm, lattice_mm, solve_tolerance, largest_error, repeats,
    table_mm
        Poses solved forward.

    Raises
    ------
    OptionError
        Values that cannot be used.
    """

    radius_mm: float
    spacing_mm: float
    turn_deg: float
    tilts_deg: tuple[float, ...]
    handle_deg: float
    farthest_mm: float
    least_places: int
    gap_mm: float
    limit_mm: float
    target_mm: float
    percentiles: tuple[float, ...]
    weight_percentile: float
    least_scale: float
    navigation_mm: float
    least_field: float
    most_poses: int
    turn_step: int
    refined: int
    ranked: int
    tolerance: float
    site_tolerance: float
    most: int
    at_once: int
    samples: int
    reach_mm: float
    lattice_mm: float
    solve_tolerance: float
    largest_error: float
    repeats: int
    table_mm: float

    def __post_init__(self) -> None:
        may_be_zero = {"gap_mm", "handle_deg", "least_scale", "least_field", "navigation_mm", "target_mm", "repeats"}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, tuple):
                continue
            if not (value > 0 or (value == 0 and entry.name in may_be_zero)):
                raise OptionError(f"the pose search needs {entry.name} above 0, found {value}")
        if abs(180.0 / self.turn_deg - round(180.0 / self.turn_deg)) > 1e-9:
            raise OptionError(f"180° is no multiple of the step of {self.turn_deg:g}° between orientations")
        if not self.percentiles or not all(0 < p < 100 for p in self.percentiles):
            raise OptionError("the thresholds of the pose search must be percentiles between 0 and 100")
        if self.least_field >= 1 or not 0 < self.weight_percentile < 100:
            raise OptionError("least_field must be below 1, weight_percentile between 0 and 100")

    @classmethod
    def default(cls, **changed: Any) -> SearchSettings:
        """Return the settings of data/poses.toml, some of them changed.

        Parameters
        ----------
        **changed
            Other values, by their names.

        Returns
        -------
        SearchSettings

        Raises
        ------
        OptionError
            A name that is none, or a value that cannot be used.
        """
        table = facts.load("poses")
        values: dict[str, Any] = {
            **table["grid"],
            **table["clearance"],
            "target_mm": table["target"]["radius_mm"],
            **table["share"],
            **table["stage"],
            **table["modes"],
        }
        unknown = sorted(set(changed) - set(values))
        if unknown:
            raise OptionError(f"the pose search has no setting {', '.join(unknown)}")
        values.update(changed)
        values["tilts_deg"], values["percentiles"] = tuple(values["tilts_deg"]), tuple(values["percentiles"])
        return cls(**values)
