"""Whose an answer is: the settings that change a model's answers and, of a server of one's own, what it says of itself. Both are part of
every request's key.

A URL and a name stay the same when another GGUF file, chat template or build is put behind them; the stored answers are then of another
model. So a job asks the server once who it is, keeps the fingerprint beside each answer, and looks again while it goes on. What is
left out is what changes by itself (times, random marks) and what changes no answer (the window's length).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from contextrot import engines, secrets
from contextrot.engines import Endpoint
from contextrot.engines.external import endpoint_of
from contextrot.errors import ConfigError, RequestError, StoreError
from contextrot.responses import outgoing
from contextrot.responses.model_names import same_model
from contextrot.responses.prices import on_this_machine
from contextrot.responses.server_records import LARGEST_ANSWER, remember, said_by
from contextrot.responses.store import request_key, weights_fingerprint
from contextrot.settings import OWN_PROVIDERS, ModelSettings

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 20.0
PATIENCE_SECONDS = 5.0
NOT_READY = (502, 503, 504)
MODEL_FIELDS = (
    "id", "root", "parent", "owned_by", "digest", "revision", "quantization", "arch", "architecture", "compatibility_type", "publisher",
)  # fmt: skip
"""Of an entry in a list of models: what vLLM, llama.cpp, Ollama, LM Studio and others say of the model itself."""
META_FIELDS = ("vocab_type", "n_vocab", "n_ctx_train", "n_embd", "n_params", "size", "ftype")
"""Of llama.cpp's `meta`."""
PROPS_FIELDS = ("model_path", "model_ftype", "chat_template", "bos_token", "eos_token", "build_info")
INFO_FIELDS = ("model_id", "model_sha", "model_dtype", "version", "sha", "weight_version", "model_path")
SHOW_FIELDS = ("template", "parameters", "system", "details")


def model_identity(model: ModelSettings) -> dict[str, Any]:
    """All of a model's settings that change its answers, apart from the request itself; files count with their content."""
    engine = engines.of(model)
    local = not engine.elsewhere and Path(model.name).exists()
    options = {name: value for name, value in model.engine_options.items() if name not in engine.operational_options}
    if model.chat_template and not engine.elsewhere:
        options["chat_template"] = model.chat_template
    for name, value in options.items():
        if name.startswith("chat_template") and isinstance(value, str) and Path(value).is_file():
            options[name] = f"sha256:{hashlib.sha256(Path(value).read_bytes()).hexdigest()}"
    return {
        "engine": model.engine,
        "model": f"sha256:{weights_fingerprint(Path(model.name))}" if local else model.name,
        "revision": model.revision,
        "server": secrets.without_credentials(model.base_url) if model.base_url else model.provider,
        **({"provider": model.provider} if model.base_url and model.provider else {}),
        "engine_options": options,
    }


class NotReachable(Exception):
    """The server cannot be asked now."""


async def ask_server(endpoint: Endpoint) -> dict[str, Any]:
    """What a server says of itself, by the address where it says it; empty if it says nothing.

    Sources: the list of models; llama.cpp's /props and /lora-adapters; Ollama's /api/version, /api/tags and /api/show; vLLM's /version;
    TGI's /info; SGLang's /get_model_info. A model file on this machine counts with its content.

    Raises:
        NotReachable: if nothing listens there, or it still loads.
    """
    import aiohttp

    root = (endpoint.base_url or "").rstrip("/").removesuffix("/v1")
    async with aiohttp.ClientSession(headers=endpoint.request_headers) as session:

        async def page(path: str, body: dict[str, Any] | None = None) -> Any:
            return await _page(session, endpoint.url("models") if path == "/v1/models" else f"{root}{path}", body)

        async def of_ollama() -> dict[str, Any]:
            version = _picked(await page("/api/version"), ("version",))
            if not version:
                return {}
            tags, shown = await asyncio.gather(page("/api/tags"), page("/api/show", {"model": endpoint.model}))
            return {
                "/api/version": version,
                "/api/tags": _picked(_entry(tags, "models", endpoint.model), ("digest",)),
                "/api/show": _picked(shown, SHOW_FIELDS),
            }

        paths = ["/v1/models", "/props", "/lora-adapters", "/version", "/info", "/get_model_info"]
        listed, props, loras, version, info, served, ollama = await asyncio.gather(*map(page, paths), of_ollama())
    entry = _entry(listed, "data", endpoint.model)
    model = _picked(entry, MODEL_FIELDS) | _picked(entry.get("meta"), META_FIELDS)
    said = {
        "/v1/models": model if set(model) - {"id", "owned_by"} else {},  # a bare name is what config says already
        "/props": _picked(props, PROPS_FIELDS),
        "/lora-adapters": {"adapters": loras} if isinstance(loras, list) and loras else {},
        "/version": _picked(version, ("version",)),
        "/info": _picked(info, INFO_FIELDS),
        "/get_model_info": _picked(served, INFO_FIELDS),
        **ollama,
    }
    path = said["/props"].get("model_path")
    if isinstance(path, str) and on_this_machine(endpoint.base_url) and Path(path).is_absolute() and Path(path).is_file():
        said["file"] = {"content": weights_fingerprint(Path(path))}
    said = {name: content for name, content in said.items() if content}
    return json.loads(secrets.clean(json.dumps(said), partly=False))


async def _page(session: Any, url: str, body: dict[str, Any] | None) -> Any:
    """The JSON at an address; None where there is none."""
    import aiohttp

    how = {"json": body} if body else {}
    try:
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            session.request(
                "POST" if body else "GET", url, proxy=outgoing.proxy_for(url), allow_redirects=False, **how
            ) as answer,
        ):
            if answer.status in NOT_READY:
                raise NotReachable(f"HTTP {answer.status}")
            return json.loads(await answer.content.read(LARGEST_ANSWER)) if answer.status == 200 else None
    except (TimeoutError, aiohttp.ClientConnectorError) as error:
        raise NotReachable(type(error).__name__) from error
    except (aiohttp.ClientError, OSError, ValueError, RecursionError):
        return None


def _entry(listed: Any, name: str, model: str) -> dict[str, Any]:
    """The model's own entry of a list, or the only one."""
    entries = listed.get(name) if isinstance(listed, dict) else None
    entries = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    named = [entry for entry in entries if same_model(model, str(entry.get("id") or entry.get("name")))]
    return named[0] if named else entries[0] if len(entries) == 1 else {}


def _picked(content: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: content[name] for name in names if content.get(name) not in (None, "", [])} if isinstance(content, dict) else {}


class ServerIdentity:
    """Who answers a job's requests.

    Args:
        name: the model's, for messages.
        where: the server's address, or its engine.
        ask: gives what it says of itself; raises NotReachable.
        folder: of the request store, which remembers who answered last: while a server is down, its answers are still found.

    Attributes:
        said: what the server says of itself; empty if it says nothing.
        settled: whether the server itself was asked; until then it is what is remembered.
    """

    def __init__(self, name: str, where: str, ask: Callable[[], Awaitable[dict[str, Any]]], folder: Path) -> None:
        self._name, self._where, self._ask = name, where, ask
        self._folder = folder
        self._last = f"last-{request_key({'server': where, 'model': name})[:32]}"
        self.said = said_by(folder, self._last)
        self.settled = False
        self._printed: tuple[dict[str, Any], str] | None = None
        self._assumed = False
        self._looked: float | None = None
        self._changed_to: RequestError | None = None
        self._since_look: list[Callable[[], None]] = []
        self._one_at_a_time = asyncio.Lock()

    @property
    def fingerprint(self) -> str | None:
        """16 hexadecimal digits for what the server says of itself; None if it says nothing."""
        if not self.said:
            return None
        if self._printed is None or self._printed[0] is not self.said:  # asked with every request
            text = json.dumps(self.said, sort_keys=True, ensure_ascii=False)
            self._printed = self.said, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return self._printed[1]

    @property
    def key_part(self) -> dict[str, str]:
        """What it adds to a request's key; nothing for a server that says nothing of itself."""
        return {"server_says": self.fingerprint} if self.said else {}

    def used(self) -> None:
        """A stored answer of this identity was taken."""
        self._assumed = self._assumed or not self.settled

    async def settle(self) -> None:
        """Asks the server; one that cannot be asked yet is asked after its first answer.

        Raises:
            RequestError: if stored answers were taken already as those of another.
        """
        try:
            said = await self._ask()
        except NotReachable:
            return
        before, known = self.fingerprint, self.said
        self.said, self.settled = said, True
        if self._assumed and before != self.fingerprint:
            raise self._changed(known)
        if said or known:
            self._remember()
            log.info("%s says of itself (fingerprint %s): %s", self._name, self.fingerprint, json.dumps(said))

    async def look_again(self, now: float, at_once: bool = False) -> None:
        """Makes sure, now and then, that the server is still the same; answers since the last look are thrown away if it is not.

        Args:
            now: seconds of any clock.
            at_once: whether no time need have passed.

        Raises:
            RequestError: if it is another.
        """
        async with self._one_at_a_time:
            if self._changed_to:
                raise self._changed_to
            if not self.settled:
                await self.settle()
                self._looked = now
                return
            if self._looked is None:
                self._looked = now
            if not at_once and now - self._looked < SECONDS_BETWEEN_LOOKS:
                return
            self._looked = now
            try:
                said = await self._ask()
            except NotReachable:
                return  # requests tell of a server that is down
            if said != self.said:
                for forget in self._since_look:
                    with suppress(StoreError):
                        forget()
                known, self.said = self.said, said
                raise self._changed(known)
            self._since_look.clear()

    def kept(self, forget: Callable[[], None]) -> None:
        """An answer was stored, which the next look confirms, or takes back."""
        self._since_look.append(forget)

    def _changed(self, known: dict[str, Any]) -> RequestError:
        parts = sorted(name for name in {*known, *self.said} if known.get(name) != self.said.get(name))
        self._remember()
        self._changed_to = RequestError(
            f"the server at {self._where} changed while it was asked: it says something else of model {self._name!r} now "
            f"({', '.join(parts)}). Answers of two models are never mixed: run the same command again, and all is asked of the one that is "
            "there then; answers of the earlier one are kept for when it is back."
        )
        return self._changed_to

    def _remember(self) -> None:
        for name in filter(None, (self._last, self.fingerprint)):
            remember(self._folder, name, self.said)


def identity_of(model: ModelSettings, store: Path) -> ServerIdentity | None:
    """Of a server of one's own at an address, or of the build of an engine that the run starts itself, whose model's files are in the key; None for
    providers."""
    engine = engines.of(model)
    if engine.build is not None:
        return ServerIdentity(model.name, f"engine {model.engine}", partial(_of_build, model, engine.build), store)
    if not engine.elsewhere or model.hosted or (model.base_url is None and model.provider not in OWN_PROVIDERS):
        return None
    try:
        endpoint = endpoint_of(model)
    except ConfigError:  # told when the server is to be asked, if it is
        return None
    return ServerIdentity(
        endpoint.model, secrets.without_credentials(endpoint.base_url or ""), lambda: ask_server(endpoint), store
    )


async def _of_build(model: ModelSettings, build: Callable[[ModelSettings], dict[str, str]]) -> dict[str, Any]:
    """What the engine's own program is. Raises NotReachable where it is not here: then the answers of the last one are looked up."""
    found = build(model)
    if not found:
        raise NotReachable(f"engine {model.engine} is not here")
    return {"build": found}
