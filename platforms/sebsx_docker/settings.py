"""Settings of the platforms `docker` and `docker-arm`."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.sandboxes.settings import GatewaySettings
from sebsx.settings import setting


@dataclass(frozen=True)
class DockerSettings(GatewaySettings):
    """What containers are made of, and how they are kept."""

    image: str = setting("", help="image that holds the languages; default: one made from what this machine has")
    tmp_mib: int = setting(512, help="size of /tmp in MiB; what is written there counts as memory", minimum=1)
    internet: bool = setting(True, help="let functions reach beyond this machine")
