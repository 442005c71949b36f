"""What a stage has beyond kind, tokens and mixture, in words for tables and reports."""

from __future__ import annotations

from mixopt.schedule.schedule import Stage


def remarks(stage: Stage) -> list[str]:
    """Return one short text for each peculiarity of a stage; none for a plain one."""
    said = []
    if stage.gate is not None:
        said.append(f"starts when {stage.gate}, in shares of its tokens and those before")
    if stage.ordering is not None:
        said.append(f"ordered by {stage.ordering.score}, strength {stage.ordering.strength:g}")
    if stage.online is not None:
        said.append(f"{stage.online.policy} sets the mixture {stage.online.updates} times")
    if stage.rope_base is not None:
        said.append(f"rotary base {stage.rope_base:,.0f}")
    if stage.packing != "stream":
        said.append(f"documents packed {stage.packing}")
    if stage.practice is not None:
        said.append(f"own answers ({stage.practice.method})")
    return said
