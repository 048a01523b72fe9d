"""Weights are loaded from safetensors alone, and computed with in float32."""

from __future__ import annotations

import pytest
import torch

from contextrot.engines import local_models
from contextrot.engines.local_models import load_model
from contextrot.engines.transformers import check_weights
from contextrot.errors import DataError
from tests.tiny_models import tiny_llama


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('opened')",))


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.pt", "pytorch_model-00001-of-00002.bin"])
def test_pickled_weights_are_refused_without_being_opened(tmp_path, file):
    tiny_llama().config.save_pretrained(tmp_path)
    torch.save(Bomb(), tmp_path / file)
    for opens in (load_model, check_weights):
        with pytest.raises(DataError, match=rf"pickled \({file}\).*it was not.*safe_serialization"):
            opens(str(tmp_path))


def test_a_training_s_leftovers_are_no_weights(tmp_path):
    tiny_llama().config.save_pretrained(tmp_path)
    (tmp_path / "training_args.bin").write_bytes(b"")
    with pytest.raises(DataError):
        load_model(str(tmp_path))


def test_safetensors_beside_a_pickle_are_what_is_read(tmp_path):
    tiny_llama().save_pretrained(tmp_path)
    torch.save(Bomb(), tmp_path / "pytorch_model.bin")
    assert load_model(str(tmp_path), device="cpu").dtype == torch.float32


def test_a_checkpoint_with_code_of_its_own_is_refused(tmp_path):
    tiny_llama().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(
        path.read_text().replace(
            '"model_type": "llama"',
            '"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine", "AutoModelForCausalLM": "mine.Model"}',
        )
    )
    (tmp_path / "mine.py").write_text("raise SystemExit('run')")
    with pytest.raises(DataError, match="code of its own, which is never run"):
        load_model(str(tmp_path), device="cpu")


def test_weights_of_few_bits_are_widened_where_that_fits(tmp_path, monkeypatch):
    tiny_llama().to(torch.bfloat16).save_pretrained(tmp_path)
    assert load_model(str(tmp_path), device="cpu").dtype == torch.float32
    monkeypatch.setattr(local_models, "SHARE_OF_MEMORY", 0)
    assert load_model(str(tmp_path), device="cpu").dtype == torch.bfloat16
    assert load_model(str(tmp_path), dtype="bfloat16", device="cpu").dtype == torch.bfloat16
