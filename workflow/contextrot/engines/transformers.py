"""Engine `transformers`: Hugging Face's own server, `transformers serve`, on the CPU or a GPU.

It gets one request at a time, for each one's seed is its whole process's: two at once would mix their draws. The embedded model uses
it, so that a laptop runs everything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from pydantic import Field

from contextrot.checked import validate
from contextrot.engines import Endpoint, Engine
from contextrot.engines.local_models import refuse_pickled
from contextrot.engines.process import Server
from contextrot.errors import EngineError
from contextrot.settings import ModelSettings, Section


class Options(Section):
    """`engine_options` of engine `transformers`."""

    device: str = "auto"
    """cpu, cuda, mps or auto."""
    dtype: str = "auto"
    """auto, float32, bfloat16 or float16."""
    attention: str | None = None
    """Attention implementation: sdpa, eager, flash_attention_2."""
    continuous_batching: bool = False
    """Answer several requests at once (slower on a CPU); what is sampled then differs from run to run."""
    threads: int | None = Field(None, gt=0)
    """CPU threads; all cores without it."""
    port: int | None = Field(None, gt=0, lt=65536)
    """A fixed port; a free one without it."""
    startup_seconds: float = Field(600, gt=0)
    """Time for the server to get ready."""


@contextmanager
def serve(model: ModelSettings, log_path: Path) -> Iterator[Endpoint]:
    """Serves the model by `transformers serve` of this interpreter's environment.

    Raises:
        EngineError: if the model folder has no weights, or the server does not start.
    """
    options: Options = validate(Options, model.engine_options, "engine_options of engine 'transformers'")
    check_weights(model.name)

    def command(port: int) -> list[str]:
        words = [
            sys.executable,
            "-m",
            "transformers.cli.transformers",
            "serve",
            model.name,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        words += ["--device", options.device, "--dtype", options.dtype, "--log-level", "warning"]
        if options.attention:
            words += ["--attn-implementation", options.attention]
        if options.continuous_batching:
            words += ["--continuous-batching"]
        return words

    environment = {"HF_HUB_OFFLINE": "1"} if Path(model.name).is_dir() else {}
    if options.threads:
        environment |= {"OMP_NUM_THREADS": str(options.threads)}
    server = Server(
        command,
        name="transformers serve",
        log_path=log_path,
        environment=environment,
        port=options.port,
        startup_seconds=options.startup_seconds,
        hint="Install it with: pip install 'transformers[serving]'.",
    )
    with server:
        yield Endpoint(
            engine="transformers",
            model=model.name,
            provider="hosted_vllm",
            base_url=f"{server.url}/v1",
            most_at_once=None if options.continuous_batching else 1,
            reset=server.restart,
            alive=server.alive,
        )


def reuses_prefixes(model: ModelSettings) -> bool:
    """`transformers serve` keeps no KV cache between requests, except that of whole blocks under continuous batching."""
    return validate(Options, model.engine_options, "engine_options of engine 'transformers'").continuous_batching


def check_weights(name: str) -> None:
    """Raises EngineError if `name` is a local folder (not a Hugging Face id) without a model in it, DataError if it is pickled."""
    folder = Path(name)
    if not folder.is_dir():
        if folder.is_absolute() or name.startswith(("./", "../")):
            raise EngineError(f"model folder {name} does not exist; check `name` of the model in the config.")
        return
    refuse_pickled(name)
    if not any(folder.glob("*.safetensors")):
        raise EngineError(
            f"model folder {name} holds no weights (*.safetensors). Restore them, or train the embedded model with: "
            "snakemake train_embedded_model"
        )


def build(model: ModelSettings) -> dict[str, str]:
    """Versions of what `transformers serve` runs."""
    return {name: version(name) for name in ("transformers", "torch")}


ENGINE = Engine(Options, serve, has_weights=True, reuses_prefixes=reuses_prefixes, build=build)
