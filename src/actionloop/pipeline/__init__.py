"""The line from scan to target, and the other verbs; everything that needs several rooms."""

from actionloop.pipeline.run import Outcome, PlanRequest, demo, plan
from actionloop.pipeline.settings import Settings, read_settings

__all__ = ["Outcome", "PlanRequest", "Settings", "demo", "plan", "read_settings"]
