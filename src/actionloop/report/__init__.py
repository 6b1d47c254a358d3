"""The page that a person reads: one HTML file that needs no network."""

from actionloop.report.coil import CoilContent, CoiledHead, CoilPart, CoilTarget, PlacedCoil
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
from actionloop.report.evidence import EvidenceContent, EvidenceSection, Shown, render_evidence
from actionloop.report.handed import HandedContent, HandedFile
from actionloop.report.page import render_report
from actionloop.report.pictures import draw_pictures
from actionloop.report.screening import ScreenedQuestion, ScreeningContent
from actionloop.report.sheet import SheetContent, render_sheet

__all__ = [
    "CoilContent",
    "CoilPart",
    "CoilTarget",
    "CoiledHead",
    "EvidenceContent",
    "EvidenceSection",
    "Exports",
    "HandedContent",
    "HandedFile",
    "Picture",
    "PlacedCoil",
    "ReportContent",
    "ScreenedQuestion",
    "ScreeningContent",
    "SheetContent",
    "Shown",
    "SimilarityTrust",
    "Table",
    "TargetTrust",
    "TrustContent",
    "TrustPart",
    "Verdict",
    "draw_pictures",
    "render_evidence",
    "render_report",
    "render_sheet",
]
