"""Which jobs take turns: those that ask one server on this machine, which is one server however many jobs and models ask it."""

from __future__ import annotations

from urllib.parse import urlsplit

from contextrot import engines
from contextrot.engines.external import endpoint_of
from contextrot.errors import ConfigError
from contextrot.responses.prices import on_this_machine
from contextrot.settings import OWN_PROVIDERS, ModelSettings


def server_resource(model: ModelSettings | None) -> str | None:
    """Snakemake's resource of the server on this machine that a model is asked at, such as `server_8080`; None for all others.

    127.0.0.1, localhost and [::1] are one machine, so a server is known by its port.
    """
    if model is None or not engines.of(model).elsewhere or (model.base_url is None and model.provider not in OWN_PROVIDERS):
        return None
    try:
        address = endpoint_of(model).base_url or ""
        parts = urlsplit(address)
        port = parts.port or {"https": 443}.get(parts.scheme, 80)
    except (ConfigError, ValueError):  # told when the server is to be asked
        return None
    return f"server_{port}" if on_this_machine(address) else None
