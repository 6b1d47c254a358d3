"""The report's methods paragraph, and the works that it cites."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from actionloop import facts, files
from actionloop.networks import find_method
from actionloop.pipeline.cleaning import OURS, describe_cleaning
from actionloop.pipeline.motor import Motor
from actionloop.pipeline.personjob import PersonResult
from actionloop.pipeline.posewords import preview_words
from actionloop.pipeline.posing import Posing
from actionloop.pipeline.priors import PHANTOMS

_POSE_REFERENCES = (
    "[6] Gomez LJ et al. 2021, NeuroImage 228:117696, doi:10.1016/j.neuroimage.2020.117696",
    "[7] Lynch CJ et al. 2022, Neuron 110:3263, doi:10.1016/j.neuron.2022.08.012",
)


def methods(result: PersonResult) -> list[str]:
    """Sentences of the methods paragraph, ready to paste."""
    version = files.versions()["actionloop"]
    sentences = [f"Individual action networks were mapped with actionloop {version} (research use only)."]
    if result.prior is not None:
        sentences += [
            f"The cortical time series ({len(result.runs)} run(s); {result.cleaning}) were demeaned, scaled to unit "
            f"variance run by run, and joined on {_rows(result)}.",
            *([describe_cleaning(result.job.settings.cleaning)] if cleaned_here(result) else []),
            find_method(result.network_map.method).describe(result.network_map.settings),
            _compression(result.network_map.settings),
            f"Prior: {result.prior.source}, from the published SCAN coordinates [2], the 17-network parcellation [3], "
            "HCP-MMP areas [4] and group connectivity [5]."
            if result.job.prior_file is None
            else f"Prior: {result.job.prior_file.name}{from_phantoms(result)}.",
        ]
    else:
        sentences.append("A finished individual network map was given; mapping was skipped.")
    sentences += [
        "SCAN was divided into nodes by the nearest published node along the surface [2].",
        "Targets were ranked by network probability, size, gyral crown, distance to neighbouring networks and to the "
        "scalp, and by side and region of the pain where stated.",
        f"Geometry: {result.head.anatomy.description}; coordinates are RAS mm of {result.head.anatomy.frame}.",
        *_pose_sentences(result),
    ]
    return sentences


def _pose_sentences(result: PersonResult) -> list[str]:
    """Say for the methods paragraph how coil poses were found."""
    posing = result.posing
    flat = "Coil poses are geometric: normal to the scalp, handle 45° posterior-lateral; no field was computed."
    if not posing.searches:
        return [flat]
    if posing.preview:
        return [*_preview_sentences(posing), flat.replace("no field was computed", "the preview was not exported")]
    edge, conducting = result.job.settings.pose.resolution_mm, facts.load("field")["conductivity_s_per_m"]
    scored = min(one.n_poses for one in posing.searches)
    said = [
        f"Coil poses ({', '.join(one.name for one in posing.searches)}) were searched by the electric field: finite "
        f"elements on voxels of {edge:g} mm ({posing.head}), at least {scored} poses per target by reciprocity, then "
        "the share of the stimulated cortex inside the network, averaged over 5 mm of navigation error [6, 7].",
        f"Conductivities (S/m): {', '.join(f'{name} {value:g}' for name, value in conducting.items())}.",
    ]
    if posing.approximate:
        said.append("The head model is a template's head carried over, which is approximate.")
    if len(posing.searches) < sum(target.pose is not None for target in result.targets):
        said.append("Poses of other targets are geometric.")
    return [*said, *([] if posing.motor is None else dose_sentences(posing.motor))]


def dose_sentences(motor: Motor) -> list[str]:
    """Say how the output for equal fields was worked out; empty where it was not, or without a motor threshold."""
    doses = {name: dose for name, dose in motor.doses.items() if dose.output_range_percent is not None}
    if not doses or motor.threshold_percent is None:
        return []
    radius_mm = facts.load("poses")["hotspot"]["radius_mm"]
    told = []
    for name, dose in doses.items():
        low, high = dose.output_range_percent or (math.nan, math.nan)
        beyond = "" if dose.possible else ", which cannot be given"
        told.append(f"{name} {dose.output_percent:.0f} % ({low:.0f} to {high:.0f} %){beyond}")
    return [
        f"The motor threshold was {motor.threshold_percent:g} % of maximum stimulator output at the motor hotspot. The "
        "outputs that make the same electric field (length of its mean; same coil; at the hand over the cortex within "
        f"{radius_mm:g} mm of the hotspot) at the targets are: {'; '.join(told)}. In brackets: range by other choices "
        "of the cortex that counts (mean, high percentile, highest field). This equalises fields and is not a "
        "treatment dose."
    ]


def _preview_sentences(posing: Posing) -> list[str]:
    scored = min(one.n_poses for one in posing.searches)
    return [
        f"Coil poses ({', '.join(one.name for one in posing.searches)}) were previewed by the electric field in a "
        f"{posing.head}, at least {scored} poses per target, then the share of the stimulated cortex inside the "
        "network, averaged over 5 mm of navigation error [7].",
        preview_words(),
    ]


def from_phantoms(result: PersonResult) -> str:
    """Say in brackets that the prior was made of phantoms; empty where it was not."""
    known = result.prior is not None and PHANTOMS in result.prior.source
    return f" ({PHANTOMS}, simulated people)" if known else ""


def _rows(result: PersonResult) -> str:
    if any(run.kind == "parcels" for run in result.job.person.runs):
        return "the parcels of the input; every vertex takes what its parcel has"
    if result.whole_map is None:
        return "the 59,412 cortical vertices of fsLR-32k"
    adjacent_mm = result.job.settings.mapping.adjacent_mm
    words = f"{len(result.whole_map.grayordinates):,} grayordinates (cortex on fsLR-32k, subcortex and cerebellum)"
    return (
        words
        if not adjacent_mm
        else f"{words}; the mean of the cortex within {adjacent_mm:g} mm was regressed from each voxel"
    )


def _compression(settings: Mapping[str, Any]) -> str:
    return (
        f"The frame axis was compressed to {settings['dimensions']} dimensions, which keep every correlation to within "
        f"{settings['compression_error']:.1g}."
    )


def references(result: PersonResult) -> list[str]:
    """Return the works that the methods paragraph cites."""
    scan = facts.load("scan")["source"]
    cited = [
        "" if result.prior is None else f"[1] {find_method(result.network_map.method).citation}",
        f"[2] {scan['citation']}, doi:{scan['doi']}",
        "[3] Yeo BTT et al. 2011, J Neurophysiol 106:1125, doi:10.1152/jn.00338.2011",
        "[4] Glasser MF et al. 2016, Nature 536:171, doi:10.1038/nature18933",
        "[5] Schaefer A et al. 2018, Cereb Cortex 28:3095, doi:10.1093/cercor/bhx179; group connectivity from "
        "BrainSpace, Vos de Wael R et al. 2020, Commun Biol 3:103, doi:10.1038/s42003-020-0794-7",
    ]
    chosen = cited if result.prior is not None else cited[1:2]
    return [*chosen, *(_POSE_REFERENCES if result.posing.searches else ())]


def cleaned_here(result: PersonResult) -> bool:
    """Tell whether a named cleaning of ours was used on a run."""
    return any(str(run["cleaning"]).startswith(OURS) for run in result.runs)
