"""What a user can set: one bounded model, read from the command line or a configuration file, written back resolved."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from actionloop import facts
from actionloop.errors import InputError, OptionError
from actionloop.networks import IterativeSettings
from actionloop.targets import Pain

_MAPPING = facts.load("mapping")


class MappingSettings(BaseModel):
    """Options of the map; meanings in `networks.IterativeSettings`, defaults in data/mapping.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prior_weight: float = Field(default=_MAPPING["iterative"]["prior_weight"], ge=0, le=5)
    evidence_weight: float = Field(default=_MAPPING["iterative"]["evidence_weight"], gt=0, le=5)
    pool_fwhm_mm: float = Field(default=_MAPPING["iterative"]["pool_fwhm_mm"], ge=0, le=20)
    core_probability: float = Field(default=_MAPPING["iterative"]["core_probability"], ge=0, lt=1)
    prior_floor: float = Field(default=_MAPPING["iterative"]["prior_floor"], gt=0, lt=0.1)
    shrinkage: float = Field(default=_MAPPING["iterative"]["shrinkage"], ge=0, le=1)
    max_iterations: int = Field(default=_MAPPING["iterative"]["max_iterations"], ge=1, le=500)
    tolerance: float = Field(default=_MAPPING["iterative"]["tolerance"], ge=0, lt=1)
    min_piece_mm2: float = Field(default=_MAPPING["cleaning"]["min_piece_mm2"], ge=0, le=1000)

    def iterative(self) -> IterativeSettings:
        """Return the same options as the networks room takes them."""
        return IterativeSettings(**self.model_dump())


class Settings(BaseModel):
    """Everything that shapes one person's result, apart from the input files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mapping: MappingSettings = MappingSettings()
    pain_side: str = "unknown"
    pain_region: str = "unknown"
    controls: bool = True
    seed: int = Field(default=0, ge=0)

    def pain(self) -> Pain:
        """Return side and region of the pain, checked."""
        return Pain(side=self.pain_side, region=self.pain_region)


def read_settings(path: Path | None, **given: Any) -> Settings:
    """Combine a configuration file (.toml or .json) with what the command line gives, which wins.

    Raises
    ------
    InputError
        The file cannot be read as TOML or JSON.
    OptionError
        An unknown option or a value out of bounds; the message names every one.
    """
    stated: dict[str, Any] = {}
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
            stated = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise InputError(f"the configuration file cannot be read ({error})", where=path) from error
    try:
        settings = Settings(**{**stated, **{key: value for key, value in given.items() if value is not None}})
        settings.pain()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise OptionError(f"options that cannot be used: {wrong}", where=path) from error
    return settings
