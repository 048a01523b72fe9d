"""Results in an experiment tracker."""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from contextrot.errors import ConfigError
from contextrot.report.tracking import numbers_of, track


def test_every_number_has_a_name_of_its_own(tmp_path):
    group = {"grouping": "needle", "measure": "score"}
    rows = [
        {"grouping": "", "measure": "score", "value": 0.5, "low": 0.4, "high": 0.6, "n": 10},
        {"grouping": "", "measure": "score_low", "value": 7.0},
        {"grouping": "length,depth", "measure": "score", "length": 1048576.0, "depth": 50.0, "value": 0.25},
        {"grouping": "length,depth", "measure": "score", "length": 1048577.0, "depth": 50.0, "value": 0.75},
        group | {"needle": "a+b", "value": 1.0}, group | {"needle": "a?b", "value": 2.0},
        group | {"needle": "NA", "value": 3.0}, group | {"needle": "", "value": 4.0}, group | {"needle": "x", "value": float("inf")},
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "metrics.csv", index=False)
    assert numbers_of(tmp_path / "metrics.csv") == {
        "score": 0.5, "score low": 0.4, "score high": 0.6, "score n": 10, "score_low": 7.0, "score length:1048576 depth:50": 0.25,
        "score length:1048577 depth:50": 0.75, "score needle:a_b": 1.0, "score needle:a_b (2)": 2.0, "score needle:NA": 3.0, "score needle:": 4.0,
    }  # fmt: skip


def test_no_tracker_and_one_that_is_not_installed_are_told(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="name where results go"):
        track(None, [], [])
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match="pip install mlflow"):
        track("mlflow", [SimpleNamespace(model="m", experiment="e")], [tmp_path / "m/e/metrics.csv"])
