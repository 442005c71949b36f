"""Studies that the report tests share: one that is concluded, one that has just begun."""

from __future__ import annotations

from pathlib import Path

import pytest
import report_fakes

from mixopt.report.data import ReportChoices, ReportData, gather


@pytest.fixture(scope="session")
def concluded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_fakes.make_study(tmp_path_factory.mktemp("report") / "concluded")


@pytest.fixture(scope="session")
def data(concluded: Path) -> ReportData:
    choices = ReportChoices(exports=(Path("exports/train.yaml"),))
    return gather(concluded, report_fakes.INVENTORY, choices)


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    folder = tmp_path_factory.mktemp("report") / "begun"
    report_fakes.make_study(folder, trials=6, conclude=False)
    return gather(folder, report_fakes.INVENTORY, ReportChoices())
