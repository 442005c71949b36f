"""Families of laws: each a fitted function from schedules to one measure."""
