"""Engine `vllm`: vLLM's OpenAI-compatible server, on GPUs or the CPU; one instance, or a prefill and a decode instance.

Strict: without vLLM, without a GPU where one is asked for, or after a failed start the run stops and says what to do;
nothing else answers in its place.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import Field

from contextrot.checked import validate
from contextrot.engines import Endpoint, Engine
from contextrot.engines.process import Server
from contextrot.engines.transformers import check_weights
from contextrot.engines.vllm.environment import interpreter, probe, versions_of
from contextrot.settings import ModelSettings, Section

SUPERVISE = Path(__file__).parents[1] / "supervise.py"
OPERATIONAL_OPTIONS = frozenset(
    {
        "python", "port", "startup_seconds", "visible_devices", "gpu_memory_utilization", "cpu_kv_cache_gib", "cpu_threads_bind",
        "single_process", "stream_interval",
    }
)  # fmt: skip
"""Options that change no answer, and so are no part of the key under which one is stored."""


class InstanceOptions(Section):
    """What may differ between the prefill and the decode instance; None leaves the model's own value."""

    visible_devices: str | None = None
    """GPUs of this instance, as in CUDA_VISIBLE_DEVICES: "0", or "0,1" with tensor_parallel_size 2."""
    tensor_parallel_size: int | None = Field(None, ge=1)
    """GPUs that each layer is split over."""
    gpu_memory_utilization: float | None = Field(None, gt=0, le=1)
    """Share of the GPU's memory that the instance may take; two instances on one GPU must share it."""
    max_num_seqs: int | None = Field(None, ge=1)
    """Requests in one batch."""
    max_num_batched_tokens: int | None = Field(None, ge=1)
    """Tokens in one batch."""
    cpu_threads_bind: str | None = None
    """CPU cores of this instance, such as "0" or "0-3"; without it vLLM takes them all, so two instances share them."""
    extra_args: list[str] = []
    """Further arguments of vLLM's server, as on its command line."""
    environment: dict[str, str] = {}
    """Environment variables of the server."""


class DisaggregatedOptions(Section):
    """How prefill and decode are split."""

    connector: Literal["nixl", "file"] = "nixl"
    """Transfer of the KV cache: NixlConnector (GPUs), or files by ExampleConnector where there is no RDMA."""
    kv_buffer_device: Literal["cuda", "cpu"] | None = None
    """Memory that NixlConnector transfers from; the instances' own device without it."""
    shared_folder: str | None = None
    """For `file`: where the KV files are put (fast, local); a folder beside the log without it. Emptied at the end."""
    prefill: InstanceOptions = InstanceOptions()
    """What differs for the prefill instance."""
    decode: InstanceOptions = InstanceOptions()
    """What differs for the decode instance."""


class Options(InstanceOptions):
    """`engine_options` of engine `vllm`."""

    python: str | None = None
    """The interpreter that has vLLM; without it .venv-vllm of the workflow's folder if there is one, else the workflow's own."""
    mode: Literal["aggregated", "disaggregated"] = "aggregated"
    """One instance, or a prefill and a decode instance with the KV cache transferred between them."""
    disaggregated: DisaggregatedOptions | None = None
    """How prefill and decode are split in mode `disaggregated`."""
    device: Literal["auto", "cuda", "cpu"] = "auto"
    """`cuda` insists on a GPU (so does the model's `gpu`), `cpu` on vLLM's CPU build."""
    max_model_len: int | None = Field(None, gt=0)
    """Longest prompt and answer, tokens; the model's `window` without it."""
    dtype: str | None = None
    """auto, bfloat16, float16 or float32."""
    kv_cache_dtype: str | None = None
    """auto, fp8, ..."""
    quantization: str | None = None
    """Quantization method, where the model's own config does not say."""
    enforce_eager: bool = False
    """No graph capture and no compilation: starts sooner, decodes slower."""
    enable_prefix_caching: bool = True
    """Keep the KV cache of prompts for later ones that start the same."""
    enable_chunked_prefill: bool | None = None
    """Compute long prompts in parts beside running requests; without it vLLM's own choice, and not on a CPU."""
    block_size: int | None = Field(None, gt=0)
    """Tokens in a block of the KV cache."""
    hf_overrides: dict[str, Any] = {}
    """Replaces values of the model's config.json, such as rope_parameters for YaRN."""
    chat_template: str | None = None
    """File of another chat template."""
    chat_template_kwargs: dict[str, Any] = {}
    """Arguments of the chat template in each request, such as enable_thinking: false."""
    reasoning_parser: str | None = None
    """Separates thinking from the answer: qwen3, deepseek_r1, ..."""
    trust_remote_code: bool = False
    """Run code that comes with the model: only for models that you trust."""
    cpu_kv_cache_gib: int | None = Field(None, ge=1)
    """Memory of the KV cache on the CPU, GiB."""
    single_process: bool = False
    """Engine and server in one process with one thread: quicker to start, for small models on a CPU."""
    stream_interval: int = Field(1, ge=1)
    """Tokens of an answer, after the first, that the server sends at a time; more spares it work, but some versions lose tokens of
    models that think. Measurements get each token by itself."""
    port: int | None = Field(None, gt=0, lt=65536)
    """A fixed port; a free one without it."""
    startup_seconds: float = Field(1800, gt=0)
    """Time for the server to get ready, the download of the weights included."""


@contextmanager
def serve(model: ModelSettings, log_path: Path) -> Iterator[Endpoint]:
    """Serves the model by vLLM.

    Raises:
        ConfigError: for options that vLLM or the mode cannot have.
        EngineError: if vLLM or a GPU is missing, or the server does not start.
    """
    options: Options = validate(Options, model.engine_options, "engine_options of engine 'vllm'")
    check_weights(model.name)
    facts = probe(options, needs_gpu=options.device == "cuda" or (options.device == "auto" and model.gpu > 0))
    if options.mode == "disaggregated":
        from contextrot.engines.vllm.pair import serve_pair

        with serve_pair(model, options, facts, Path(log_path)) as endpoint:
            yield endpoint
        return
    with instance(model, options, Path(log_path)) as server:
        yield Endpoint(
            engine="vllm",
            model=served_name(model),
            provider="hosted_vllm",
            base_url=f"{server.url}/v1",
            extra_body=extra_body(options),
            reset=lambda: clear_cache(server),
            alive=server.alive,
            details={
                **facts,
                "mode": "aggregated",
                "instances": {"server": {"url": server.url, "pid": server.process.pid, "command": server.command(0)}},
            },
        )


def reuses_prefixes(model: ModelSettings) -> bool:
    """Whether the KV cache of prompts is kept for later ones that start the same: on unless config says otherwise."""
    return validate(Options, model.engine_options, "engine_options of engine 'vllm'").enable_prefix_caching


def instance(
    model: ModelSettings,
    options: Options,
    log_path: Path,
    name: str = "vLLM",
    extra: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Server:
    """One vLLM server, not started yet.

    Args:
        extra: further arguments (the KV transfer's).
        environment: further variables.
    """
    return Server(
        lambda port: [sys.executable, str(SUPERVISE), *command(model, options, port), *extra],
        name=name,
        log_path=log_path,
        environment=server_environment(model, options) | dict(environment or {}),
        port=options.port,
        startup_seconds=options.startup_seconds,
        hint="Look for the cause in its log: a model that does not fit needs a smaller max_model_len or tensor_parallel_size.",
    )


def served_name(model: ModelSettings) -> str:
    """The model's name in requests: a folder's last part, or the Hugging Face id."""
    return Path(model.name).name if Path(model.name).is_dir() else model.name


def extra_body(options: Options) -> dict[str, Any]:
    """Fields added to each request."""
    template = {"chat_template_kwargs": options.chat_template_kwargs} if options.chat_template_kwargs else {}
    return template | ({"stream_interval": options.stream_interval} if options.stream_interval > 1 else {})


def command(model: ModelSettings, options: Options, port: int) -> list[str]:
    """The command line of one server."""
    window = options.max_model_len or model.window
    if options.device == "cpu" and options.enable_chunked_prefill is None:
        # On a CPU vLLM 0.32 dies when it reads the prompt of a sampled request with a seed in parts; whole, it must fit one batch.
        batch = max(window, options.max_num_batched_tokens or 0)
        options = options.model_copy(update={"enable_chunked_prefill": False, "max_num_batched_tokens": batch})
    words = [interpreter(options), "-m", "vllm.entrypoints.openai.api_server", "--model", model.name]
    words += ["--served-model-name", served_name(model), "--host", "127.0.0.1", "--port", str(port)]
    words += ["--max-model-len", str(window), "--enable-prompt-tokens-details"]
    valued = {
        "revision": model.revision,
        "tokenizer": model.tokenizer,
        "tokenizer-revision": model.revision if not model.tokenizer else None,
        **{
            name.replace("_", "-"): getattr(options, name)
            for name in (
                "tensor_parallel_size", "gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "dtype",
                "kv_cache_dtype", "quantization", "block_size", "reasoning_parser",
            )
        },
        "chat-template": model.chat_template or options.chat_template,
    }  # fmt: skip
    for name, value in valued.items():
        words += [f"--{name}", str(value)] if value is not None else []
    for name in ("enable_prefix_caching", "enable_chunked_prefill"):
        value = getattr(options, name)
        words += [f"--{'' if value else 'no-'}{name.replace('_', '-')}"] if value is not None else []
    words += ["--enforce-eager"] if options.enforce_eager else []
    words += ["--trust-remote-code"] if options.trust_remote_code else []
    words += ["--hf-overrides", json.dumps(options.hf_overrides, sort_keys=True)] if options.hf_overrides else []
    return words + options.extra_args


def server_environment(model: ModelSettings, options: Options) -> dict[str, str]:
    """Environment variables of one server."""
    variables = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_NO_USAGE_STATS": "1"}
    stored = dotenv_values(".env")
    variables |= {name: value for name in ("HF_HOME", "HF_TOKEN") if not os.environ.get(name) and (value := stored.get(name))}
    if Path(model.name).is_dir():
        variables["HF_HUB_OFFLINE"] = "1"
    if options.cpu_kv_cache_gib:
        variables["VLLM_CPU_KVCACHE_SPACE"] = str(options.cpu_kv_cache_gib)
    if options.cpu_threads_bind:
        variables["VLLM_CPU_OMP_THREADS_BIND"] = options.cpu_threads_bind
    if options.visible_devices is not None:
        variables["CUDA_VISIBLE_DEVICES"] = options.visible_devices
    if options.single_process:
        variables |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"}
    return variables | options.environment


def build(model: ModelSettings) -> dict[str, str]:
    """Versions of vLLM and what it runs on."""
    return dict(versions_of(interpreter(validate(Options, model.engine_options, "engine_options of engine 'vllm'"))))


def clear_cache(server: Server) -> None:
    """Empties the server's prefix cache; a server that cannot, or that has died, is restarted.

    Raises:
        EngineError: if it does not start again.
    """
    request = urllib.request.Request(f"{server.url}/reset_prefix_cache", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            cleared = json.loads(answer.read() or b'{"success": true}')["success"]
    except (urllib.error.URLError, OSError, ValueError):
        cleared = False
    if not cleared:
        server.restart()


def in_mode(model: ModelSettings, mode: str) -> ModelSettings:
    """The model's settings for `aggregated` or `disaggregated` serving, each token sent by itself."""
    options = {**model.engine_options, "mode": mode, "stream_interval": 1}
    if mode == "disaggregated":
        options.setdefault("disaggregated", {})
    return model.model_copy(update={"engine_options": options})


def own_benchmark(model: ModelSettings) -> tuple[str, dict[str, str]]:
    """Interpreter and environment of the client of vLLM's benchmark."""
    options: Options = validate(Options, model.engine_options, "engine_options of engine 'vllm'")
    return interpreter(options), options.environment


ENGINE = Engine(
    Options,
    serve,
    has_weights=True,
    operational_options=OPERATIONAL_OPTIONS,
    reuses_prefixes=reuses_prefixes,
    in_mode=in_mode,
    takes_overrides=True,
    own_benchmark=own_benchmark,
    build=build,
)
