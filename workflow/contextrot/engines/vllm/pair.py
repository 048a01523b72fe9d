"""A prefill and a decode instance of vLLM with the KV cache transferred between them, behind one endpoint.

A small proxy (a child process too) sends each request to the prefill instance for its first token, then to the decode
instance, which must load the transferred KV cache: the proxy refuses an answer whose prompt was computed again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from contextrot.engines import Endpoint
from contextrot.engines.process import Server, free_port
from contextrot.engines.vllm import InstanceOptions, Options, clear_cache, extra_body, instance, served_name
from contextrot.errors import ConfigError, EngineError
from contextrot.settings import ModelSettings

LIBRARY = Path(__file__).parents[2]
VLLM_SIDE = Path(__file__).parent / "vllm_side"


@contextmanager
def serve_pair(model: ModelSettings, options: Options, facts: dict[str, Any], log_path: Path) -> Iterator[Endpoint]:
    """Serves the model by two instances; leaving the context stops both, and removes what was transferred.

    Args:
        facts: versions, to be recorded.

    Raises:
        ConfigError: for a connector that the options do not allow.
        EngineError: if an instance or the proxy does not start.
    """
    split = options.disaggregated
    if split is None:
        raise ConfigError("mode: disaggregated needs the block `disaggregated` (connector, prefill, decode) in engine_options.")
    if split.connector == "file" and (options.tensor_parallel_size or 1) > 1:
        raise ConfigError(
            "connector: file transfers the KV of one worker; use connector: nixl with tensor_parallel_size above 1."
        )
    with ExitStack() as stack:
        folder = None
        if split.connector == "file":
            parent = Path(split.shared_folder) if split.shared_folder else log_path.parent
            parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="kv-", dir=parent)).absolute()
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        servers = {}
        for role in ("prefill", "decode"):
            own = own_options(options, getattr(split, role), role)
            extra, environment = transfer_arguments(own, role, folder)
            path = log_path.with_name(f"{log_path.stem}-{role}{log_path.suffix or '.log'}")
            servers[role] = instance(model, own, path, f"the {role} instance of vLLM", extra, environment)
        _start(stack, list(servers.values()), together=not share_a_gpu(options))
        proxy = stack.enter_context(_proxy(servers, split.connector, log_path.with_name(f"{log_path.stem}-proxy.log")))

        def alive() -> None:
            for server in (*servers.values(), proxy):
                server.alive()

        def reset() -> None:
            for server in servers.values():
                clear_cache(server)

        yield Endpoint(
            engine="vllm",
            model=served_name(model),
            provider="hosted_vllm",
            base_url=f"{proxy.url}/v1",
            extra_body=extra_body(options),
            reset=reset,
            alive=alive,
            details={
                **facts,
                "mode": "disaggregated",
                "connector": "NixlConnector" if split.connector == "nixl" else "ExampleConnector (keyed and measured)",
                "transfer_folder": str(folder) if folder else None,
                "proxy": proxy.url,
                "instances": {role: {"url": s.url, "pid": s.process.pid, "command": s.command(0)} for role, s in servers.items()},
            },
        )


def own_options(options: Options, differing: InstanceOptions, role: str) -> Options:
    """The options of one instance of the pair."""
    changes = {name: value for name in InstanceOptions.model_fields if (value := getattr(differing, name)) is not None}
    changes["extra_args"] = options.extra_args + differing.extra_args
    changes["environment"] = options.environment | differing.environment
    # What the decode instance has of a prompt must have come from the prefill instance, not from an earlier request.
    changes |= {"port": None} | ({"enable_prefix_caching": False} if role == "decode" else {})
    return options.model_copy(update=changes)


def transfer_arguments(options: Options, role: str, folder: Path | None) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment variables for the transfer of the KV cache.

    Args:
        folder: where the files go; None for NixlConnector.
    """
    config: dict[str, Any] = {"kv_role": "kv_producer" if role == "prefill" else "kv_consumer", "kv_load_failure_policy": "fail"}
    environment: dict[str, str] = {}
    if folder:
        config |= {
            "kv_connector": "MeasuredFileConnector",
            "kv_connector_module_path": "measured_kv_connector",
            "kv_connector_extra_config": {"shared_storage_path": str(folder)},
        }
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(VLLM_SIDE), os.environ.get("PYTHONPATH")]))
    else:
        device = options.disaggregated.kv_buffer_device or ("cpu" if options.device == "cpu" else "cuda")
        config |= {"kv_connector": "NixlConnector", "kv_buffer_device": device}
        environment["VLLM_NIXL_SIDE_CHANNEL_HOST"] = "127.0.0.1"
        environment["VLLM_NIXL_SIDE_CHANNEL_PORT"] = str(free_port())
    return ["--kv-transfer-config", json.dumps(config, sort_keys=True)], environment


def records_of(endpoint: Endpoint) -> list[dict[str, Any]]:
    """What the proxy recorded of each request since the last call; empty for one instance.

    Raises:
        EngineError: if the proxy does not answer.
    """
    if "proxy" not in endpoint.details:
        return []
    try:
        with urllib.request.urlopen(f"{endpoint.details['proxy']}/records", timeout=60) as answer:
            return json.loads(answer.read())
    except OSError as error:
        endpoint.alive()
        raise EngineError(f"the proxy of the prefill and decode instances does not answer ({error}).") from error


def transfers_of(endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """Measured transfers through files by key: bytes, seconds to store and to load, tokens, layers."""
    folder = endpoint.details.get("transfer_folder")
    transfers: dict[str, dict[str, Any]] = {}
    for path in sorted(Path(folder).glob("transfers-*.jsonl")) if folder else []:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            transfer = transfers.setdefault(row["key"], {"tokens": row["tokens"], "layers": row["layers"]})
            transfer[f"{row['what']}_bytes"] = row["bytes"]
            transfer[f"{row['what']}_seconds"] = row["seconds"]
    return transfers


def share_a_gpu(options: Options) -> bool:
    """Whether both instances are on the same GPUs; then one must have taken its memory before the other measures what is free."""
    split = options.disaggregated
    devices = [getattr(split, role).visible_devices or options.visible_devices for role in ("prefill", "decode")]
    return options.device != "cpu" and devices[0] == devices[1]


def _start(stack: ExitStack, servers: list[Server], together: bool) -> None:
    for server in servers:
        stack.callback(server.stop)
        server.launch()
        if not together:
            server.wait_until_healthy()
    for server in servers:
        server.wait_until_healthy()


def _proxy(servers: dict[str, Server], connector: str, log_path: Path) -> Server:
    def command(port: int) -> list[str]:
        words = [sys.executable, "-m", "contextrot.engines.vllm.proxy", "--port", str(port), "--connector", connector]
        return [*words, "--prefill", servers["prefill"].url, "--decode", servers["decode"].url]

    path = os.pathsep.join(filter(None, [str(LIBRARY.parent), os.environ.get("PYTHONPATH")]))
    name = "the proxy of the prefill and decode instances"
    return Server(command, name=name, log_path=log_path, environment={"PYTHONPATH": path}, startup_seconds=60)
