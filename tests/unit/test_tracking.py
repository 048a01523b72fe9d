"""Results in an experiment tracker."""

import sys

import pandas as pd
import pytest

from contextrot.errors import ConfigError
from contextrot.report.tracking import numbers_of, track


def test_every_number_has_a_name_of_its_own(tmp_path):
    rows = [
        {"grouping": "", "measure": "score", "value": 0.5, "low": 0.4, "high": 0.6, "n": 10},
        {"grouping": "length,depth", "measure": "score", "length": 4000.0, "depth": 50.0, "value": 0.25, "n": 4},
        {"grouping": "needle", "measure": "score", "needle": "odd: name?", "value": 1.0, "n": 1},
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "metrics.csv", index=False)
    assert numbers_of(tmp_path / "metrics.csv") == {
        "score": 0.5, "score_low": 0.4, "score_high": 0.6, "score_n": 10, "score length:4000 depth:50": 0.25, "score length:4000 depth:50_n": 4,
        "score needle:odd: name_": 1.0, "score needle:odd: name__n": 1,
    }  # fmt: skip


def test_no_tracker_and_one_that_is_not_installed_are_told(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="name where results go"):
        track(None, [], [])
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match="pip install mlflow"):
        track("mlflow", [object()], [tmp_path / "metrics.csv"])
