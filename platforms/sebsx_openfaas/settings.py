"""Settings of the platform `openfaas`."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.clouds.registries import RegistrySettings
from sebsx.clouds.selfhosted import SelfHostedSettings
from sebsx.settings import setting

EXTRA = "openfaas"


@dataclass(frozen=True, kw_only=True)
class OpenFaasSettings(RegistrySettings, SelfHostedSettings):
    """Where functions are made, as whom and how; what each gets are its options."""

    gateway: str = setting("http://127.0.0.1:8080", help="URL of the gateway")
    user: str = setting("admin", help="user of the gateway")
    password: str = setting("", help="password of that user", secret=True)
    namespace: str = setting("", help="namespace of functions; default: the provider's own")
    secrets: tuple[str, ...] = setting((), help="names of secrets that functions get, such as one to pull images with")
    callback_url: str = setting("", help="URL with port by which the gateway reaches this machine, for trigger=async")
    prometheus_url: str = setting("", help="URL of the Prometheus that scrapes the gateway; default: none")
    python: str = setting("3.12", help="version of Python")
    nodejs: str = setting("20", help="version of Node.js")
    python_image: str = setting("python:{version}-slim", help="image that packages in Python are built from")
    nodejs_image: str = setting("node:{version}-slim", help="image that packages in Node.js are built from")
    watchdog_image: str = setting("ghcr.io/openfaas/of-watchdog:0.10.7", help="image that holds /fwatchdog")
    ready_s: float = setting(120.0, help="time limit for a new function to answer, in seconds", minimum=1)
