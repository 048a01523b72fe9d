"""Whether the name that a server answers as is the model that was asked for."""

from __future__ import annotations

import re
from functools import lru_cache

DATE = re.compile(r"[-@:](20\d{2}-?\d{2}-?\d{2}|\d{3,4}|preview-\d{2}-\d{2}(-20\d{2})?)$")
QUANTISATION = re.compile(
    r"[-._:](ud-)?(i?q\d(_\w+)*|bf16|f16|fp16|f32|fp32|fp8|fp4|nvfp4|mxfp4|int[48]|w\d+a\d+|awq|gptq|gguf|mlx|[34568]-?bits?)$"
)
FILE = re.compile(r"(-\d{5}-of-\d{5})?\.(gguf|bin|safetensors)$")
REVISION = re.compile(r"@(main|master|refs/\S+|[0-9a-f]{40})$")
"""A revision of the Hub, which `transformers serve` puts behind the name."""
EQUAL_VERSIONS = re.compile(r"(:latest|-latest|@latest|@default|:free|:nitro|:floor)$")


@lru_cache(1000)
def same_model(asked: str, answered: str) -> bool:
    """Whether two names are one model's.

    Folders before the name, case, a dated version (`-2025-04-14`, `@20250514`, `-001`), `:latest`, and a weights file's ending and
    quantisation make no difference where only one of the names has them; another member of the family (`-mini`) is another model.
    """
    (name, *parts), (other, *others) = _parts(asked), _parts(answered)
    return name == other and all(one == two or not (one and two) for one, two in zip(parts, others, strict=True))


def base_name(name: str) -> str:
    """A model's name without folders, version and quantisation, in small letters."""
    return _parts(name)[0]


def _parts(name: str) -> tuple[str, str, str]:
    """Name, version, quantisation."""
    plain = re.split(r"[/\\]", REVISION.sub("", name.strip().lower()).rstrip("/\\"))[-1]
    plain = FILE.sub("", EQUAL_VERSIONS.sub("", plain))
    version = quantisation = ""
    for _ in range(3):  # in either order
        if found := QUANTISATION.search(plain):
            plain, quantisation = plain[: found.start()], found[0].lstrip("-._:") + quantisation
        elif not version and (found := DATE.search(plain)):
            plain, version = plain[: found.start()], re.sub(r"\D", "", found[0])
    return plain, version, quantisation
