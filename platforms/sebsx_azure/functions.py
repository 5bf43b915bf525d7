"""Function apps: what is asked for, how a package gets there, and what Azure reports back."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds.answers import read
from sebsx.clouds.fresh import NONCE, nonce
from sebsx.clouds.uploads import send_file
from sebsx.clouds.waiting import until
from sebsx.contracts.naming import NamingRule
from sebsx.errors import DeployError
from sebsx.model.untrusted import parse_json
from sebsx.system.lazy import require
from sebsx_azure.clients import EXTRA
from sebsx_azure.errors import ERRORS, answered
from sebsx_azure.resources import PLAN, arm_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sebsx.model import FunctionConfig, Scalar, Target
    from sebsx_azure.clients import AzureClients

# An app is known to its host by the first 32 letters: of two that share them and a storage account one is refused
# (docs: "Host ID considerations", 2026-09).
NAME = NamingRule(longest=32, shortest=2)
ENTRY = "handler"
FLEX, CONSUMPTION = "flex", "consumption"
FLEX_MIB = (512, 2048, 4096)
# What an app may use on Consumption, where nothing is chosen (docs: "Service limits", 2026-09).
CONSUMPTION_MIB = 1536
TIMEOUT = "AzureFunctionsJobHost__functionTimeout"  # takes the place of that in host.json
_SKUS = {FLEX: {"name": "FC1", "tier": "FlexConsumption"}, CONSUMPTION: {"name": "Y1", "tier": "Dynamic"}}
_RUNTIMES = {"python": "python", "nodejs": "node"}
_STORAGE = "DEPLOYMENT_STORAGE_CONNECTION_STRING"
_DONE_WITHIN_S, _TRIGGERS_WITHIN_S = 900.0, 300.0
_UPLOAD_WITHIN_S, _ANSWER_S = 300.0, 60.0
_BUSY = frozenset({409, 429, *range(500, 600)})  # statuses of an app that takes a package later
_ENDED = {3: "failed", 4: "", -1: "was aborted"}  # Kudu's states of deployments that are over
_SPAN = re.compile(r"(?:(?P<d>\d+)\.)?(?P<h>\d+):(?P<m>\d+):(?P<s>\d+(?:\.\d+)?)")
_SETTLING = frozenset({400, 404, 409, 429, 500, 502, 503, 504})  # while an app is starting


class AzureFunctions:
    """The function apps of one subscription.

    Args:
        clients: The subscription.
    """

    def __init__(self, clients: AzureClients) -> None:
        self._clients = clients
        self._keys: dict[tuple[str, str], str] = {}

    def publish(self, place: str, archive: Path) -> None:
        """Hand a package to an app on Flex Consumption, which takes it as it is, and wait until it has it."""
        what = f"upload of the package to {place.partition('/')[2]!r}"
        url = f"https://{self._scm_host(place)}/api"
        answer = send_file(
            what, "POST", f"{url}/publish?RemoteBuild=false&Deployer=sebsx", archive, extra=EXTRA,
            headers={**self._proof(), "content-type": "application/zip"}, trusted=self._clients.trusted, busy=_BUSY,
            within_s=_UPLOAD_WITHIN_S, clean=ERRORS.clean,
        )  # fmt: skip
        if not answer.ok:
            raise answered(what, answer)

        def look() -> Mapping[str, Any] | None:
            told = self._asked(f"{url}/deployments/latest", what)
            return told if told.get("status") in _ENDED else None

        told = until(look, what, within_s=_DONE_WITHIN_S)
        if failure := _ENDED[told["status"]]:
            said = ERRORS.clean(str(told.get("status_text") or told.get("message") or ""))
            raise DeployError(f"{what} {failure}: {said}")

    def started(self, place: str, function: str = ENTRY) -> str:
        """Return the URL of a function once Azure knows it and hands out its key."""
        group, _, name = place.partition("/")
        apps, what = self._clients.web.web_apps, f"start of function {name!r}"
        for step in (partial(apps.sync_function_triggers, group, name), partial(self.key, place, function)):
            self._clients.settled(what, step, _is_settling, _TRIGGERS_WITHIN_S)
        with ERRORS.explained(what):
            found = apps.get_function(group, name, function).as_dict()["properties"]
        return str(found["invoke_url_template"])

    def key(self, place: str, function: str = ENTRY) -> str:
        """Return what a function is called with, asked for once; raises what Azure's library does."""
        if (place, function) not in self._keys:
            group, _, name = place.partition("/")
            told = dict(self._clients.web.web_apps.list_function_keys(group, name, function))
            keys = told.get("properties") or told
            self._keys[place, function] = str(keys["default"])
        return self._keys[place, function]

    def app(self, place: str) -> dict[str, Any]:
        """Return what Azure says of an app, as it came."""
        group, _, name = place.partition("/")
        with ERRORS.explained(f"read of function {name!r}"):
            found: dict[str, Any] = self._clients.web.web_apps.get(group, name).as_dict()
        return found

    def settings(self, place: str) -> dict[str, str]:
        """Return the application settings of an app."""
        group, _, name = place.partition("/")
        with ERRORS.explained(f"read of the settings of function {name!r}"):
            found = self._clients.web.web_apps.list_application_settings(group, name).as_dict()
        return dict(found.get("properties") or {})

    def change_settings(self, place: str, settings: Mapping[str, str]) -> None:
        """Give an app other application settings, which ends all its instances."""
        group, _, name = place.partition("/")
        with ERRORS.explained(f"update of function {name!r}"):
            self._clients.web.web_apps.update_application_settings(group, name, {"properties": dict(settings)})

    def end_instances(self, place: str) -> None:
        """Change a setting: Azure restarts an app whose settings changed."""
        self.change_settings(place, {**self.settings(place), NONCE: nonce()})

    def resize(self, place: str, memory_mib: int) -> None:
        """Give an app on Flex Consumption other memory, as `az functionapp scale config set` does: all else stays."""
        group, _, name = place.partition("/")
        apps = self._clients.web.web_apps
        with ERRORS.explained(f"change of function {name!r}"):
            found = apps.get(group, name)
            wanted = {key: value for key, value in found.as_dict(exclude_readonly=True).items() if value is not None}
            wanted["properties"] = found.properties.as_dict(exclude_readonly=True)
            if found.identity:
                own: dict[str, Any] = {name: {} for name in found.identity.user_assigned_identities or ()}
                wanted["identity"] = {
                    "type": found.identity.type, **({"userAssignedIdentities": own} if own else {})
                }  # fmt: skip
            wanted["properties"]["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"] = memory_mib
            apps.begin_create_or_update(group, name, wanted).result()

    def _scm_host(self, place: str) -> str:
        for state in self.app(place)["properties"].get("hostNameSslStates") or ():
            if state.get("hostType") == "Repository":
                return str(state["name"])
        raise DeployError(f"function {place.partition('/')[2]!r} has no endpoint that takes packages")

    def _asked(self, url: str, what: str) -> Mapping[str, Any]:
        """Return what an app says of its deployment; nothing while it is busy or has none yet."""
        requests = require("requests", extra=EXTRA)
        with ERRORS.explained(what):
            sent = requests.get(
                url, headers=self._proof(), verify=self._clients.trusted, timeout=_ANSWER_S, allow_redirects=False,
                stream=True,
            )  # fmt: skip
            answer = read(sent, within_s=_ANSWER_S)
            if answer.status_code in (404, 429) or answer.status_code >= 500:
                return {}
            if not answer.ok:
                raise answered(what, answer)
            return dict(parse_json(answer.content))

    def _proof(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._clients.token()}"}


def plan(tier: str) -> dict[str, Any]:
    """Return the plan of an app, as Azure takes it: each has its own, as Flex Consumption wants it."""
    return {"kind": "functionapp", "sku": _SKUS[tier], "properties": {"reserved": True}}


def site(
    clients: AzureClients,
    place: str,
    target: Target,
    config: FunctionConfig,
    options: Mapping[str, Scalar],
    settings: Mapping[str, str],
    container_url: str,
) -> dict[str, Any]:
    """Return an app, as Azure takes it.

    Args:
        clients: The subscription.
        place: Group and name, of its plan as well.
        target: What it runs.
        config: What is asked.
        options: What it gets of every option.
        settings: Application settings beside those of the configuration.
        container_url: Where Flex Consumption keeps its package.
    """
    calls, most = options["sandbox_concurrency"], int(options["max_instances"])
    known = {
        **config.environment, **settings,
        "SEBSX_MEMORY_MIB": str(config.memory_mib), "SEBSX_TIMEOUT_S": repr(config.timeout_s),
        TIMEOUT: _span(config.timeout_s),
        "PYTHON_THREADPOOL_THREAD_COUNT": str(calls),  # its own default depends on the machine
        NONCE: nonce(),
    }  # fmt: skip
    properties: dict[str, Any] = {"serverFarmId": arm_id(clients, PLAN, place), "httpsOnly": True}
    site_config: dict[str, Any] = {}
    runtime = _RUNTIMES[target.language]
    if options["tier"] == FLEX:
        ready = [{"name": "http", "instanceCount": options["min_instances"]}] if options["min_instances"] else []
        setting, storage = deployment_storage(container_url)
        known[setting] = known["AzureWebJobsStorage"]
        properties["functionAppConfig"] = {
            "deployment": {"storage": storage},
            "runtime": {"name": runtime, "version": target.version},
            "scaleAndConcurrency": {
                "instanceMemoryMB": config.memory_mib, "alwaysReady": ready,
                "triggers": {"http": {"perInstanceConcurrency": calls}},
                **({"maximumInstanceCount": most} if most else {}),
            },
        }  # fmt: skip
    else:
        known |= {"FUNCTIONS_EXTENSION_VERSION": "~4", "FUNCTIONS_WORKER_RUNTIME": runtime}
        site_config["linuxFxVersion"] = f"{runtime.upper()}|{target.version}"
        if most:
            site_config["functionAppScaleLimit"] = most
    site_config["appSettings"] = [{"name": name, "value": value} for name, value in known.items()]
    properties["siteConfig"] = site_config
    return {"kind": "functionapp,linux", "properties": properties}


def deployment_storage(container_url: str) -> tuple[str, dict[str, Any]]:
    """Return the setting with the key to the container of an app's packages, and that container as Azure takes it."""
    authentication = {"type": "StorageAccountConnectionString", "storageAccountConnectionStringName": _STORAGE}
    return _STORAGE, {"type": "blobContainer", "value": container_url, "authentication": authentication}


def effective(app: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    """Return what Azure reports of an app, under the names of `FunctionConfig` and facts of its own."""
    properties = app["properties"]
    flex = properties.get("functionAppConfig") or {}
    scale = flex.get("scaleAndConcurrency") or {}
    linux = str((properties.get("siteConfig") or {}).get("linuxFxVersion") or "")
    runtime = flex.get("runtime") or dict(zip(("name", "version"), linux.lower().split("|"), strict=False))
    ready = [int(item.get("instanceCount") or 0) for item in scale.get("alwaysReady") or ()]
    http = (scale.get("triggers") or {}).get("http") or {}
    limit = (properties.get("siteConfig") or {}).get("functionAppScaleLimit")
    facts = {
        "memory_mib": scale.get("instanceMemoryMB") or CONSUMPTION_MIB,
        "timeout_s": seconds(settings.get(TIMEOUT, "")),
        "architecture": "x86_64",
        "runtime": "|".join(runtime.values()),
        "tier": FLEX if flex else CONSUMPTION,
        "billing_scheme": FLEX if flex else CONSUMPTION,
        "sandbox_concurrency": http.get("perInstanceConcurrency") or (None if flex else 1),
        "min_instances": sum(ready),
        "max_instances": scale.get("maximumInstanceCount") or limit or 0,
        "state": properties.get("state"),
    }
    return {key: value for key, value in facts.items() if value not in (None, "")}


def seconds(span: str) -> float | None:
    """Return a time span as Azure writes it (`00:05:00`) in seconds; None for one that cannot be read."""
    found = _SPAN.fullmatch(span)
    if found is None:
        return None
    return ((int(found["d"] or 0) * 24 + int(found["h"])) * 60 + int(found["m"])) * 60 + float(found["s"])


def _span(time_s: float) -> str:
    minutes, rest_s = divmod(time_s, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02}:{minutes:02}:{rest_s:06.3f}"


def _is_settling(exc: Exception) -> bool:
    core = require("azure.core.exceptions", extra=EXTRA)
    return isinstance(exc, core.HttpResponseError) and exc.status_code in _SETTLING
