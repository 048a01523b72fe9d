"""Config files that Snakemake has read already: what it reads otherwise than it is written is refused."""

from __future__ import annotations

import pytest

from contextrot.errors import ConfigError
from contextrot.plan.config_files import check_config_files


def test_the_shipped_file_is_accepted(root):
    check_config_files([root / "config/config.yaml", root / "config/published/config.yaml", root / "none.yaml"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tier: test\nseed: 1\ntier: full\n", r"c\.yaml, line 3: the key 'tier' stands twice, first at line 1"),
        ("judges:\n  m: {kind: match}\n  m: {kind: llm}\n", r"c\.yaml, line 3: the key 'm' stands twice"),
        ("tiers: {test: 21:15}\n", r"tiers\.test = 21:15 is text, but 1275 to readers of YAML 1\.1"),
        ("allow_failed: yes\n", r"allow_failed = yes is text, but True"),
        ("models: [on]\n", r"models = on is text, but True"),
        ("tiers: {2024: x}\n", r"the key 'tiers\.2024' is another one in YAML 1\.1"),
        ("tier: [\n", r"c\.yaml, line \d, column \d+: not valid YAML"),
    ],
)
def test_what_has_two_readings_is_refused(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        check_config_files([tmp_path / "c.yaml"])


def test_another_workflow_s_keys_are_its_own(tmp_path):
    (tmp_path / "c.yaml").write_text("paper: {due: 21:15, on: yes}\nseed: 1_000\nbudget_usd: 1e1\n")
    with pytest.raises(ConfigError, match="seed = 1_000"):
        check_config_files([tmp_path / "c.yaml"])
    (tmp_path / "c.yaml").write_text("paper: {due: 21:15, on: yes}\nseed: 1000\nbudget_usd: 1e1\n")
    check_config_files([tmp_path / "c.yaml"])
