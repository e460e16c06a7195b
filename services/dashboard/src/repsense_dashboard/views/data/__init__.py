"""The data page: what was recorded, and everything that can be done with it."""

from repsense_dashboard.views.data.page import show

__all__ = ["show"]
