"""Functions that the user has: found, and measured as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sebsx.errors import PlatformError, UnsupportedError, UserError
from sebsx.model import Deployment
from sebsx_azure.clients import clean, explained, is_gone
from sebsx_azure.functions import CONSUMPTION, FLEX, AzureFunctions, effective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.model import Adoption
    from sebsx_azure.clients import AzureClients

_SITES = "/providers/microsoft.web/sites/"
_ADDRESS = re.compile(
    r"(?:/subscriptions/(?P<subscription>[0-9a-f-]{36})/resourceGroups/(?P<group>[\w.()-]+)"
    r"/providers/Microsoft\.Web/sites/)?(?P<app>[a-zA-Z0-9][a-zA-Z0-9-]{0,59})"
    r"(?:/(?:functions/)?(?P<function>[a-zA-Z][\w-]{0,126}))?",
    re.IGNORECASE,
)
_TIERS = {"FC1": FLEX, "Y1": CONSUMPTION}
_LANGUAGES = {"python": "python", "node": "nodejs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureFunctionName:
    """A function as a user names it; empty for what the name leaves open."""

    app: str
    function: str = ""
    group: str = ""
    subscription: str = ""


def is_id(address: str) -> bool:
    """Tell whether a word is the full id of an app or of a function in it."""
    return address.lower().startswith("/subscriptions/") and _SITES in address.lower()


def read_name(address: str) -> AzureFunctionName:
    """Return the function that a name or a full id means.

    Raises:
        UserError: If it is neither.
    """
    if found := _ADDRESS.fullmatch(address):
        return AzureFunctionName(**{key: value or "" for key, value in found.groupdict().items()})
    raise UserError(
        f"{clean(address)!r} names no function of Azure; write APP/FUNCTION or "
        "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Web/sites/APP/functions/FUNCTION"
    )


def adopt(clients: AzureClients, functions: AzureFunctions, adoption: Adoption) -> Deployment:
    """Return the user's function as it is; see `Platform.adopt`."""
    if adoption.copy or adoption.in_place:
        raise UnsupportedError(
            "a function of Azure is measured as it is: its package cannot be read back for a copy, and a change of its "
            "memory is yours to make (az functionapp scale config set --instance-memory)"
        )
    named = read_name(adoption.address)
    if named.subscription and named.subscription.lower() != clients.subscription.lower():
        raise UserError(f"function app {named.app!r} is in another subscription; add --set subscription=ID")
    place, app = _find(clients, functions, named)
    region = "".join(app["location"].split()).lower()
    if region != clients.region:
        raise UserError(f"function app {named.app!r} is in {region}, not {clients.region}; add --set region={region}")
    function = _pick(clients, place, named)
    facts = {
        **effective(app, functions.settings(place)), **_plan(clients, app), "function": place,
        "entry": function["name"].rpartition("/")[2], "adopted": "as it is",
    }  # fmt: skip
    facts |= _language(str(facts.get("runtime", "")))
    known = replace(
        adoption.config,
        memory_mib=facts.get("memory_mib", 0),
        architecture=facts["architecture"],
        timeout_s=facts.get("timeout_s", adoption.config.timeout_s),  # it may stand in the app's own host.json
    )
    return Deployment(
        f"functions/{place}/{facts['entry']}", known, effective=facts, region=region, adopted=True,
        endpoint=function["properties"]["invoke_url_template"],
    )  # fmt: skip


def _find(clients: AzureClients, functions: AzureFunctions, named: AzureFunctionName) -> tuple[str, dict[str, Any]]:
    """Return group and name of an app, and what Azure says of it."""
    group = named.group
    if not group:
        with explained("search for function apps"):
            ids = [item.id for item in clients.web.web_apps.list() if item.name.lower() == named.app.lower()]
        if not ids:
            raise _unknown(named)
        group = ids[0].split("/")[4]
    place = f"{group}/{named.app}"
    try:
        return place, functions.app(place)
    except PlatformError as exc:
        if is_gone(exc.__cause__):
            raise _unknown(named) from exc
        raise


def _pick(clients: AzureClients, place: str, named: AzureFunctionName) -> Mapping[str, Any]:
    """Return the function of an app that is meant and answers HTTP."""
    group, _, name = place.partition("/")
    with explained(f"list of the functions of {name!r}"):
        found = [item.as_dict() for item in clients.web.web_apps.list_functions(group, name)]
    known = {item["name"].rpartition("/")[2]: item for item in found}
    chosen = named.function or (next(iter(known)) if len(known) == 1 else "")
    if chosen not in known:
        raise UserError(
            f"name one of the functions of {name!r}: {', '.join(f'{name}/{each}' for each in sorted(known)) or 'none'}"
        )
    if not known[chosen]["properties"].get("invoke_url_template"):
        raise UnsupportedError(f"function {chosen!r} is not started by HTTP")
    return dict(known[chosen])


def _plan(clients: AzureClients, app: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan of an app; of plans that are neither Flex Consumption nor Consumption nobody has a price here."""
    group, name = (app["properties"]["serverFarmId"].split("/")[at] for at in (4, 8))
    with explained(f"read of plan {name!r}"):
        sku = clients.web.app_service_plans.get(group, name).sku.name
    tier = _TIERS.get(sku, sku)
    return {"tier": tier, "billing_scheme": tier}


def _language(runtime: str) -> dict[str, str]:
    name, _, version = runtime.partition("|")
    return {"language": _LANGUAGES[name], "language_version": version} if name in _LANGUAGES else {}


def _unknown(named: AzureFunctionName) -> UserError:
    return UserError(f"function app {named.app!r} does not exist; look with: az functionapp list --query '[].name'")
