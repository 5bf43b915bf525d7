"""Settings of the platform `local`."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.sandboxes.settings import GatewaySettings
from sebsx.settings import setting

LIMITS = ("auto", "cgroup", "rlimit", "none")


@dataclass(frozen=True)
class LocalSettings(GatewaySettings):
    """How sandboxes on this machine are made and kept."""

    limits: str = setting(
        "auto", help="what limits memory; auto: control groups where allowed, else rlimit", choices=LIMITS
    )
