"""Engine `llama_cpp`: llama.cpp's own server, `llama-server`, for a GGUF file, on the CPU or a GPU.

Strict: where the server is missing the run stops with how to get it. Prompts that do not fit are refused by the server (context shift
is off), sliding-window caches are kept whole, and nothing is kept outside the slots, so that `reset` empties all there is. Builds
differ in what they know: an option of OPTIONAL is left out where the server's own help does not name it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from contextrot.checked import validate
from contextrot.engines import Endpoint, Engine
from contextrot.engines.process import Server
from contextrot.errors import ConfigError, EngineError
from contextrot.samples.chat_templates import read_template
from contextrot.samples.gguf_metadata import read_metadata
from contextrot.samples.tokenizers import template_file
from contextrot.settings import ModelSettings, Section

BUILT_HERE = Path("~/.cache/contextrot/llama.cpp/build/bin/llama-server")
"""Where `make llama-server` puts it."""
HOW_TO_GET_IT = (
    "Install llama.cpp (its releases, a package manager, or `make llama-server`), or set engine_options.server to its path."
)
OPERATIONAL_OPTIONS = frozenset({"server", "port", "startup_seconds", "threads"})
OPTIONAL = (
    ("--no-context-shift",), ("--swa-full",), ("--cache-ram", "0"), ("--no-webui",), ("--jinja",), ("--offline",),
)  # fmt: skip
"""Set where the server knows them; a build without one of the first three does not do what it turns off, but for a very old one."""
NOT_ARGUMENTS = {
    "name": ("-m", "--model"), "window": ("-c", "--ctx-size"), "engine_options.port": ("--port",), "engine_options.parallel": ("-np", "--parallel"),
    "engine_options.chat_template_file": ("--chat-template-file", "--chat-template"),
    "nothing: the server is for this machine alone, and without keys": ("--host", "--api-key", "--api-key-file"),
    "nothing: a prompt is never cut": ("--context-shift",), "nothing: requests name it": ("-a", "--alias"),
}  # fmt: skip
"""Setting -> arguments that it stands for."""
KvType = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"]


class Options(Section):
    """`engine_options` of engine `llama_cpp`."""

    server: str | None = None
    """Path of llama-server; without it the one on PATH, else the one that `make llama-server` built."""
    threads: int | None = Field(None, gt=0)
    """CPU threads; llama.cpp's choice without it."""
    parallel: int = Field(1, gt=0)
    """Slots: requests answered at once, each with the whole window."""
    gpu_layers: int | None = Field(None, ge=0)
    """Layers on the GPU; llama.cpp's choice without it."""
    batch_size: int | None = Field(None, gt=0)
    """Logical batch, tokens."""
    micro_batch_size: int | None = Field(None, gt=0)
    """Physical batch, tokens."""
    flash_attention: Literal["on", "off", "auto"] = "auto"
    """Flash attention."""
    kv_type_k: KvType | None = None
    """Type of the cached keys; f16 without it."""
    kv_type_v: KvType | None = None
    """Type of the cached values; f16 without it."""
    chat_template_file: str | None = None
    """Jinja file in place of the template in the GGUF file; prompts are counted with it too."""
    chat_template_kwargs: dict[str, Any] | None = None
    """Values for the chat template, such as enable_thinking."""
    arguments: list[str] = Field(default_factory=list)
    """More arguments of llama-server, as on its command line."""

    @field_validator("arguments")
    @classmethod
    def _not_of_a_setting(cls, arguments: list[str]) -> list[str]:
        for argument in arguments:
            for setting, names in NOT_ARGUMENTS.items():
                if argument.split("=")[0] in names:
                    raise ValueError(f"{argument!r} is not accepted here; use {setting}")
        return arguments

    port: int | None = Field(None, gt=0, lt=65536)
    """A fixed port; a free one without it."""
    startup_seconds: float = Field(600, gt=0)
    """Time for the server to load the model."""


@contextmanager
def serve(model: ModelSettings, log_path: Path) -> Iterator[Endpoint]:
    """Serves a GGUF file by `llama-server`.

    Raises:
        ConfigError: if `name` is no GGUF file, or it has no chat template and none is named.
        EngineError: if the server is missing, does not start, or gives a slot less than the window.
    """
    options = options_of(model)
    check_file(model.name)
    check_template(model.name, template_file(model))
    alias = Path(model.name).stem
    with tempfile.TemporaryDirectory(prefix="contextrot-slots-") as slots:
        server = Server(
            lambda port: command(model, options, alias, slots, port),
            name="llama-server",
            log_path=log_path,
            port=options.port,
            startup_seconds=options.startup_seconds,
            hint=HOW_TO_GET_IT if executable(options) == "llama-server" else "",
        )
        with server:
            said = properties(server.url)
            n_ctx = (said.get("default_generation_settings") or {}).get("n_ctx")
            if isinstance(n_ctx, int) and n_ctx < model.window:
                raise EngineError(
                    f"llama-server gives each request {n_ctx:,} tokens, and `window` of the model is {model.window:,}; lower `window`, "
                    f"or see the server's log: {log_path}"
                )

            def reset() -> None:
                for slot in range(options.parallel):
                    _post(f"{server.url}/slots/{slot}?action=erase")

            yield Endpoint(
                engine="llama_cpp",
                model=alias,
                provider="hosted_vllm",
                base_url=f"{server.url}/v1",
                most_at_once=options.parallel,
                reset=reset,
                alive=server.alive,
                details={name: said.get(name) for name in ("build_info", "model_ftype", "total_slots")} | {"n_ctx": n_ctx},
            )


def command(model: ModelSettings, options: Options, alias: str, slots: str, port: int) -> list[str]:
    """The command line of llama-server."""
    words = [executable(options), "--model", model.name, "--alias", alias, "--host", "127.0.0.1", "--port", str(port)]
    words += ["--ctx-size", str(model.window * options.parallel), "--parallel", str(options.parallel)]
    words += ["--slot-save-path", slots]
    known = help_of(words[0])
    words += [word for option in OPTIONAL if not known or option[0] in known for word in option]
    given = {
        "--flash-attn": None if options.flash_attention == "auto" else options.flash_attention,
        "--threads": options.threads,
        "--gpu-layers": options.gpu_layers,
        "--batch-size": options.batch_size,
        "--ubatch-size": options.micro_batch_size,
        "--cache-type-k": options.kv_type_k,
        "--cache-type-v": options.kv_type_v,
        "--chat-template-file": template_file(model),
        "--chat-template-kwargs": json.dumps(options.chat_template_kwargs) if options.chat_template_kwargs else None,
    }
    for name, value in given.items():
        words += [] if value is None else [name, str(value)]
    return words + options.arguments


def options_of(model: ModelSettings) -> Options:
    """The model's options, checked."""
    return validate(Options, model.engine_options, "engine_options of engine 'llama_cpp'")


def executable(options: Options) -> str:
    """llama-server: the named one, the one on PATH, or the one that was built here."""
    built = BUILT_HERE.expanduser()
    return options.server or shutil.which("llama-server") or (str(built) if built.exists() else "llama-server")


@cache
def help_of(server: str) -> str:
    """What llama-server says of its options; empty if it says nothing."""
    try:
        done = subprocess.run([server, "--help"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")


def build(model: ModelSettings) -> dict[str, str]:
    """What llama-server says of its version, and a hash of it and of the libraries beside it: a build of one's own may have no number."""
    found = shutil.which(executable(options_of(model)))
    return build_of(Path(found).resolve()) if found else {}


@cache
def build_of(server: Path) -> dict[str, str]:
    """As `build`, of a file."""
    digest = hashlib.sha256()
    libraries = {path.resolve() for kind in ("*.so*", "*.dylib", "*.dll") for path in server.parent.glob(kind)}
    for path in [server, *sorted(libraries)]:
        with path.open("rb") as file:
            digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
    try:
        done = subprocess.run([server, "--version"], capture_output=True, timeout=60, check=False)
        said = (done.stdout + done.stderr).decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    version = re.search(r"version:.*", said)
    return {"version": version[0] if version else "unknown", "files": digest.hexdigest()[:16]}


def check_template(name: str, template: str | None) -> None:
    """Raises ConfigError without a chat template: the server would put its own in place of the one that the model was trained with."""
    if template:
        read_template(template)
    elif not read_metadata(name).get("tokenizer.chat_template"):
        raise ConfigError(
            f"{name} has no chat template, and llama-server would take ChatML for it: a base model, or a file that lost its template. Name "
            "the model's own in engine_options.chat_template_file."
        )


def check_file(name: str) -> None:
    """Raises ConfigError unless `name` is a GGUF file."""
    path = Path(name)
    if not path.is_file():
        raise ConfigError(f"name = {name!r}: engine 'llama_cpp' needs the path of a .gguf file, and this is none.")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ConfigError(f"name = {name!r} is not a GGUF file: it does not begin with 'GGUF'.")


def reuses_prefixes(model: ModelSettings) -> bool:
    """A slot goes on from what it has computed of the prompt before."""
    return True


def properties(url: str) -> dict[str, Any]:
    """What the server says of itself (`/props`)."""
    with urllib.request.urlopen(f"{url}/props", timeout=10) as answer:
        return json.loads(answer.read())


def _post(url: str) -> None:
    request = urllib.request.Request(url, data=b"{}", method="POST", headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60):
            pass
    except OSError as error:
        raise EngineError(f"llama-server did not empty its cache: {error}") from error


ENGINE = Engine(Options, serve, operational_options=OPERATIONAL_OPTIONS, reuses_prefixes=reuses_prefixes, build=build)
