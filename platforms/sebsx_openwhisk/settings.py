"""Settings of the platform `openwhisk`."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.clouds.registries import RegistrySettings
from sebsx.clouds.selfhosted import SelfHostedSettings
from sebsx.settings import setting


@dataclass(frozen=True, kw_only=True)
class OpenWhiskSettings(RegistrySettings, SelfHostedSettings):
    """Where actions are made, as whom and how; what each gets are its options."""

    api_host: str = setting("", help="API host, e.g. https://openwhisk.example; default: APIHOST of ~/.wskprops")
    auth: str = setting("", help="key of the namespace, USER:PASSWORD; default: AUTH of ~/.wskprops", secret=True)
    namespace: str = setting("_", help="namespace; default: the key's own")
    python: str = setting("3.11", help="version of the kind `python:VERSION`")
    nodejs: str = setting("20", help="version of the kind `nodejs:VERSION`")
    memory_max_mib: int = setting(512, help="largest memory of an action that the server allows", minimum=128)
    code_max_mib: int = setting(48, help="largest code of an action that the server takes, in MiB", minimum=1)
    poll_s: float = setting(0.1, help="time between two polls for a result, in seconds", minimum=0.01)
    base_image: str = setting(
        "openwhisk/action-{language}-v{version}", help="image that packages of kind `image` are built from"
    )
