"""The page that a person reads: one HTML file that needs no network."""

from actionloop.report.content import Picture, ReportContent, Table
from actionloop.report.page import render_report
from actionloop.report.pictures import draw_pictures

__all__ = ["Picture", "ReportContent", "Table", "draw_pictures", "render_report"]
