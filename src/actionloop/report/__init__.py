"""The page that a person reads: one HTML file that needs no network."""

from actionloop.report.coil import CoilContent, CoiledHead, CoilTarget, PlacedCoil
from actionloop.report.content import (
    Exports,
    Picture,
    ReportContent,
    SimilarityTrust,
    Table,
    TargetTrust,
    TrustContent,
    TrustPart,
    Verdict,
)
from actionloop.report.page import render_report
from actionloop.report.pictures import draw_pictures

__all__ = [
    "CoilContent",
    "CoilTarget",
    "CoiledHead",
    "Exports",
    "Picture",
    "PlacedCoil",
    "ReportContent",
    "SimilarityTrust",
    "Table",
    "TargetTrust",
    "TrustContent",
    "TrustPart",
    "Verdict",
    "draw_pictures",
    "render_report",
]
