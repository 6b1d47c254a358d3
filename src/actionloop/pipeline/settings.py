"""What a user can set: one bounded model, read from the command line or a configuration file, written back resolved."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from actionloop import facts, signal
from actionloop.arrays import DEVICES
from actionloop.errors import InputError, OptionError
from actionloop.navigation import SYSTEMS, written
from actionloop.networks import DEFAULT_METHOD, find_method
from actionloop.poses import require_threshold
from actionloop.targets import Pain

# What is handed on besides the files of navigation systems.
OTHER_EXPORTS = ("overlays", "meshes", "sheets")


class MappingSettings(BaseModel):
    """How the map is made.

    `options` holds what differs from a method's defaults, by method: `[mapping.options.iterative]` in a file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = DEFAULT_METHOD
    device: str = DEVICES[0]
    compression: float = Field(default=signal.TOLERANCE, gt=0, le=0.1)
    subcortex: bool = False
    adjacent_mm: float = Field(default=facts.load("mapping")["adjacent"]["radius_mm"], ge=0, le=100)
    options: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _check(self) -> MappingSettings:
        if self.device not in DEVICES:
            raise OptionError(f"there is no device {self.device!r}", fix=f"choose one of {', '.join(DEVICES)}")
        find_method(self.method)
        for name, given in self.options.items():
            _typed(name, given)
        return self

    def chosen(self) -> Any:
        """Return the settings of the method that is used."""
        return _typed(self.method, self.options.get(self.method, {}))

    def resolved(self) -> dict[str, Any]:
        """Return everything that shapes the map, defaults included; the device does not."""
        stated = {name: getattr(self, name) for name in ("method", "compression", "subcortex", "adjacent_mm")}
        return {**stated, "options": asdict(self.chosen())}


def _typed(name: str, given: dict[str, Any]) -> Any:
    """Build a method's settings from what was given; wrong types are named."""
    method = find_method(name)
    known = sorted(field.name for field in fields(method.settings))
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise OptionError(
            f"the method {name!r} has no option {', '.join(unknown)}", fix=f"its options are: {', '.join(known)}"
        )
    try:
        return TypeAdapter(method.settings).validate_python(given)
    except ValidationError as error:
        raise OptionError(f"options of the method {name!r} that cannot be used: {_wrong(error)}") from error


def _wrong(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())


class CleaningSettings(BaseModel):
    """How runs are cleaned that no other program denoised; what is None is as in cleaning.toml.

    `fd_threshold_mm` 0 keeps every frame, an empty `band_hz` filters nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = None
    global_signal: bool | None = None
    fd_threshold_mm: float | None = Field(default=None, ge=0, le=10)
    band_hz: tuple[float, float] | tuple[()] | None = None

    @model_validator(mode="after")
    def _check(self) -> CleaningSettings:
        self.chosen()
        return self

    @property
    def asked(self) -> tuple[str, ...]:
        """Names of the options that somebody gave."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    def chosen(self, *, global_signal: bool | None = None) -> signal.Cleaning:
        """Return the cleaning; `global_signal`, where given, overrides that of the settings."""
        plain = signal.plain_cleaning()
        wanted = self.global_signal if global_signal is None else global_signal
        fd_threshold_mm = plain.fd_threshold_mm if self.fd_threshold_mm is None else self.fd_threshold_mm
        band_hz = plain.band_hz if self.band_hz is None else self.band_hz or None
        return signal.named_cleaning(
            self.name,
            with_global_signal=wanted is not False,
            fd_threshold_mm=fd_threshold_mm or None,
            band_hz=band_hz,
        )

    def resolved(self) -> dict[str, Any]:
        """Return everything that shapes the cleaned series, defaults included."""
        return {"strategy": signal.find_strategy(self.name).key, **asdict(self.chosen())}


class PoseSettings(BaseModel):
    """How coil poses are found; what is None is as in poses.toml, coils.toml and field.toml.

    `targets` is 'best' (the best SCAN and the best AMN target, for one session), 'all', or names of targets.
    `coordinate` is a place to aim at besides, RAS mm of the exported frame. `head` is a tissue-label image or a mesh of
    another program, `labels` says what its numbers mean. `motor_hotspot` is a place over the hand, RAS mm as well,
    `motor_threshold` is in per cent of maximum stimulator output, `tolerability` a table of ratings. `compare` names
    other programs, `compare_head` is their head; `foreign_fields` are their results, computed for `foreign_didt` A/s.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["fem", "sphere", "geometric"] = "fem"
    coil: str | None = None
    stimulator: str | None = None
    resolution_mm: float = Field(default=facts.load("field")["resolution_mm"]["default"], ge=1, le=5)
    targets: str | tuple[str, ...] = "best"
    coordinate: tuple[float, float, float] | None = None
    head: Path | None = None
    labels: str | None = None
    draws: int = Field(default=500, ge=0, le=100_000)
    motor_hotspot: tuple[float, float, float] | None = None
    motor_threshold: float | None = None
    tolerability: Path | None = None
    compare: tuple[Literal["simnibs", "cunibs"], ...] = ()
    compare_head: Path | None = None
    foreign_fields: tuple[Path, ...] = ()
    foreign_didt: float = Field(default=1e6, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_motor(self) -> PoseSettings:
        require_threshold(self.motor_threshold)
        if self.motor_threshold is not None and self.motor_hotspot is None:
            raise OptionError(
                "a motor threshold says nothing without the place that it was found at",
                where="--motor-threshold",
                fix="give --motor-hotspot x y z, RAS mm of the T1",
            )
        return self


class ExportSettings(BaseModel):
    """What is handed on to other programs and people.

    `wanted` is 'all', 'none', or names: navigation systems, 'overlays' (NIfTI in the T1's grid), 'meshes' (GIFTI, STL)
    and 'sheets' (scalp measurements). `dicom` is a folder with the person's own T1 series, `fiducials` a file with
    nasion, inion and both tragi.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    wanted: tuple[str, ...] = ("all",)
    dicom: Path | None = None
    fiducials: Path | None = None

    @field_validator("wanted", mode="before")
    @classmethod
    def _part(cls, value: Any) -> Any:
        """Part lists joined by commas; spelling is that of the systems' names."""
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            return value
        named = [part.strip().lower().replace("_", "-") for word in words for part in word.split(",")]
        return tuple(dict.fromkeys(name for name in named if name))

    @model_validator(mode="after")
    def _check(self) -> ExportSettings:
        known = (*written(), *OTHER_EXPORTS)
        only_read = [name for name in self.wanted if name in SYSTEMS and name not in known]
        unknown = [name for name in self.wanted if name not in (*SYSTEMS, *OTHER_EXPORTS, "all", "none")]
        if unknown or only_read or not self.wanted:
            said = [f"files of {SYSTEMS[name].name} are only read" for name in only_read]
            said += [f"there is no export {name!r}" for name in unknown] or ["no export is named"] * (not self.wanted)
            raise OptionError("; ".join(said), fix=f"choose from {', '.join(known)}, all, none")
        if len(self.wanted) > 1 and {"all", "none"} & set(self.wanted):
            raise OptionError(
                f"'all' and 'none' stand alone, found {', '.join(self.wanted)}", fix="leave the other names out"
            )
        return self

    def has(self, name: str) -> bool:
        """Tell whether an export is asked for."""
        return name in self.wanted or self.wanted == ("all",)

    def systems(self) -> list[str]:
        """Return the navigation systems that files are asked for."""
        return [name for name in written() if self.has(name)]


class SafetySettings(BaseModel):
    """What is to be given and to whom: files of one train of the protocol, and of the answers of the screening."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Path | None = None
    screening: Path | None = None


class Settings(BaseModel):
    """Everything that shapes one person's result, apart from the input files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mapping: MappingSettings = MappingSettings()
    cleaning: CleaningSettings = CleaningSettings()
    pose: PoseSettings = PoseSettings()
    export: ExportSettings = ExportSettings()
    safety: SafetySettings = SafetySettings()
    pain_side: str = "unknown"
    pain_region: str = "unknown"
    controls: bool = True
    reliability: bool = True
    resamples: int = Field(default=facts.load("reliability")["resampling"]["n"], ge=2, le=10_000)
    force: bool = False
    seed: int = Field(default=0, ge=0)

    def pain(self) -> Pain:
        """Return side and region of the pain, checked."""
        return Pain(side=self.pain_side, region=self.pain_region)


def read_settings(
    path: Path | None,
    *,
    method: str | None = None,
    device: str | None = None,
    subcortex: bool | None = None,
    cleaning: Mapping[str, Any] | None = None,
    pose: Mapping[str, Any] | None = None,
    export: Mapping[str, Any] | None = None,
    safety: Mapping[str, Any] | None = None,
    **given: Any,
) -> Settings:
    """Combine a configuration file (.toml or .json) with what the command line gives, which wins.

    `method`, `device` and `subcortex` are those of `Settings.mapping`; `cleaning`, `pose`, `export` and `safety`
    hold the sections of that name.

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
    for section, values in (
        ("mapping", {"method": method, "device": device, "subcortex": subcortex}),
        ("cleaning", cleaning or {}),
        ("pose", pose or {}),
        ("export", export or {}),
        ("safety", safety or {}),
    ):
        named = {key: value for key, value in values.items() if value is not None}
        if named and isinstance(stated.get(section, {}), dict):
            stated[section] = {**stated.get(section, {}), **named}
    try:
        settings = Settings(**{**stated, **{key: value for key, value in given.items() if value is not None}})
        settings.pain()
    except ValidationError as error:
        raise OptionError(f"options that cannot be used: {_wrong(error)}", where=path) from error
    return settings
