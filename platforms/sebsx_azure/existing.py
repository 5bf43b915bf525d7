"""Functions that the user has: found, copied with other memory, or changed and put back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.clouds.adopted import Existing, check_place, language_of, parts_of
from sebsx.clouds.starts import KnownStarts
from sebsx.errors import UnsupportedError, UserError
from sebsx_azure import resources
from sebsx_azure.clients import listed
from sebsx_azure.copies import copy_of, read_package
from sebsx_azure.errors import ERRORS
from sebsx_azure.functions import CONSUMPTION, FLEX, FLEX_MIB, NAME, AzureFunctions, effective, plan
from sebsx_azure.resources import FUNCTION, PLAN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.naming import NamingRule
    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption
    from sebsx_azure.clients import AzureClients
    from sebsx_azure.resources import AzureResources

_SITES = "/providers/microsoft.web/sites/"
_ADDRESS = re.compile(
    r"(?:/subscriptions/(?P<subscription>[0-9a-f-]{36})/resourceGroups/(?P<group>[\w.()-]+)"
    r"/providers/Microsoft\.Web/sites/)?(?P<app>[a-zA-Z0-9][a-zA-Z0-9-]{0,59})"
    r"(?:/(?:functions/)?(?P<function>[a-zA-Z][\w-]{0,126}))?",
    re.IGNORECASE,
)
_UNTOLD = "Azure does not tell how long calls of it ran, or on which instance: they have no cost and no sandbox"
_TIERS = {"FC1": FLEX, "Y1": CONSUMPTION}


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
    form = "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Web/sites/APP/functions/FUNCTION"
    refusal = f"{ERRORS.clean(address)!r} names no function of Azure; write APP/FUNCTION or {form}"
    return AzureFunctionName(**parts_of(address, refusal, _ADDRESS))


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureFunction:
    """A function that exists, and the app that it is in.

    Args:
        place: Group and name of the app.
        app: What Azure says of the app.
        settings: Application settings of the app.
        sku: Of the app's plan.
        entry: Name of the function.
        url: Where it is called; empty if HTTP does not start it, or it is gone.
        others: Names of the app's other functions.
    """

    place: str
    app: Mapping[str, Any]
    settings: Mapping[str, str]
    sku: str
    entry: str
    url: str
    others: Sequence[str] = ()


class AzureExisting(Existing[AzureFunction]):
    """The user's functions in one subscription and region.

    Args:
        clients: The subscription.
        context: See `Existing`.
        group: Returns the resource group of copies, which exists then.
        shared: Returns what copies share with the functions of the run.
    """

    kind = FUNCTION
    rule: ClassVar[NamingRule] = NAME
    listing = "az functionapp list --query '[].name'"

    def __init__(
        self,
        clients: AzureClients,
        context: PlatformContext,
        group: Callable[[], str],
        shared: Callable[[], AzureResources],
    ) -> None:
        super().__init__(context, clients.region)
        self._clients = clients
        self._functions = AzureFunctions(clients)
        self._group = group
        self._shared = shared
        self.starts = KnownStarts()

    def found(self, adoption: Adoption) -> AzureFunction:
        """Return a function that can be measured as it is asked for."""
        named = read_name(adoption.address)
        if named.subscription and named.subscription.lower() != self._clients.subscription.lower():
            raise UserError(f"function app {named.app!r} is in another subscription; add --set subscription=ID")
        place, app = self._find(named)
        region = "".join(app["location"].split()).lower()
        check_place(f"function app {named.app!r}", "region", region, self.region)
        known = self._listed(place)
        chosen = named.function or (next(iter(known)) if len(known) == 1 else "")
        if chosen not in known:
            offered = ", ".join(f"{named.app}/{each}" for each in sorted(known)) or "none"
            raise UserError(f"name one of the functions of {named.app!r}: {offered}")
        if not known[chosen]:
            raise UnsupportedError(f"function {chosen!r} is not started by HTTP")
        told = self._told(place, app, chosen, known)
        if (adoption.copy or adoption.in_place) and told.sku != FLEX:
            raise UnsupportedError(
                f"the memory of {named.app!r} cannot be chosen: it is not on Flex Consumption; measure it as it is "
                "(without --memory)"
            )
        return told

    def look(self, address: str) -> AzureFunction | None:
        """Return what Azure says of a function and its app; None if there is no such app."""
        place, _, entry = address.rpartition("/")
        app = self._if_there(place)
        return None if app is None else self._told(place, app, entry, self._listed(place))

    def address(self, told: AzureFunction) -> str:
        """Return group, app and function."""
        return f"{told.place}/{told.entry}"

    def new_name(self, adoption: Adoption, told: AzureFunction) -> str:
        """Return a name in the run's group."""
        return f"{self._group()}/{super().new_name(adoption, told)}"

    def copied(self, adoption: Adoption, told: AzureFunction, name: str) -> AzureFunction:
        """Make an app of the same package in which only this function is started."""
        (size,) = self.resized(told, adoption.config.memory_mib or _memory_mib(told))
        tags, app = self.context.tags, name.partition("/")[2]
        package = read_package(self._clients, told.app, told.settings, self.context.workdir / f"{app}.zip")
        connection = self._shared().account.connection
        container = resources.made_container(self._clients.blobs(connection), app)
        plan_id = resources.arm_id(self._clients, PLAN, name)
        wanted = copy_of(told, plan_id, connection, container.url, int(size))
        with self.context.ledger.creating(PLAN, name, self.region) as creation:
            creation.provider_id = resources.put(self._clients, PLAN, name, tags, plan(FLEX))
        resources.put(self._clients, FUNCTION, name, tags, wanted)
        self._functions.publish(name, package)
        package.unlink()
        self._functions.started(name, told.entry)
        return self.now(f"{name}/{told.entry}")

    def sizes(self, told: AzureFunction) -> tuple[str, ...]:
        """Return the memory of its app."""
        return (str(_memory_mib(told)),)

    def resized(self, told: AzureFunction, memory_mib: int) -> tuple[str, ...]:
        """Return another memory, if Azure has it."""
        if memory_mib not in FLEX_MIB:
            raise UnsupportedError(f"{memory_mib} MiB is not offered; has {', '.join(map(str, FLEX_MIB))}")
        return (str(memory_mib),)

    def variables(self, told: AzureFunction) -> Mapping[str, Any]:
        """Return the settings of its app."""
        return told.settings

    def change(self, told: AzureFunction, sizes: Sequence[str] | None, variables: Mapping[str, Any] | None) -> None:
        """Give its app other memory and settings, each of which ends the instances."""
        if sizes is not None:
            self._functions.resize(told.place, int(sizes[0]))
        if variables is not None:
            self._functions.change_settings(told.place, variables)

    def end_sandboxes(self, address: str) -> None:
        """Restart an app, by group and name, so that its next call meets a new instance."""
        self._functions.end_instances(address)
        self.starts.ended(address)

    def effective(self, adoption: Adoption, told: AzureFunction) -> Mapping[str, Any]:
        """Return what Azure reports, with the language of the runtime; other plans than our two have no price here."""
        facts = {**effective(told.app, told.settings), "tier": told.sku, "billing_scheme": told.sku}
        facts |= language_of(str(facts.get("runtime", "")))
        return {**facts, "function": told.place, "entry": told.entry}

    def endpoint(self, told: AzureFunction) -> str:
        """Return the URL of the function."""
        return told.url

    def left_out(self, told: AzureFunction, copy: AzureFunction) -> Sequence[str]:
        """Return what a copy has not, or not in common with the app."""
        notes = [_UNTOLD, "the copy has a storage account of its own as AzureWebJobsStorage"]
        if told.others:
            notes.append("the other functions of the app are disabled in the copy")
        if told.app.get("identity"):
            notes.append("identities of the app are not copied: what it reaches by them alone fails in the copy")
        if told.app["properties"].get("virtualNetworkSubnetId"):
            notes.append("the network of the app is not copied: the copy is outside of it")
        if _ready(told):
            notes.append("always-ready instances are not copied: the copy starts on demand")
        return notes

    def warnings(self, told: AzureFunction) -> Sequence[str]:
        """Return what is not known of its calls, and that instances are kept ready, if any are."""
        return [_UNTOLD, *(["instances are kept ready for it, at a price of their own"] if _ready(told) else [])]

    def _find(self, named: AzureFunctionName) -> tuple[str, Mapping[str, Any]]:
        """Return group and name of an app, and what Azure says of it."""
        group = named.group
        if not group:
            what = "search for function apps"
            with ERRORS.explained(what):
                apps = listed(what, self._clients.web.web_apps.list())
                ids = [item.id for item in apps if item.name.lower() == named.app.lower()]
            group = ids[0].split("/")[4] if ids else ""
        place = f"{group}/{named.app}"
        return place, self.there(f"function app {named.app!r}", self._if_there(place) if group else None)

    def _if_there(self, place: str) -> Mapping[str, Any] | None:
        """Return what Azure says of an app; None if there is none."""
        return self._clients.if_there(f"read of function {place!r}", partial(self._functions.app, place))

    def _listed(self, place: str) -> dict[str, str]:
        """Return the functions of an app with their URLs; empty for those that HTTP does not start."""
        group, _, name = place.partition("/")
        what = f"list of the functions of {name!r}"
        with ERRORS.explained(what):
            found = [item.as_dict() for item in listed(what, self._clients.web.web_apps.list_functions(group, name))]
        return {
            item["name"].rpartition("/")[2]: str(item["properties"].get("invoke_url_template") or "") for item in found
        }

    def _told(self, place: str, app: Mapping[str, Any], entry: str, known: Mapping[str, str]) -> AzureFunction:
        group, name = (app["properties"]["serverFarmId"].split("/")[at] for at in (4, 8))
        with ERRORS.explained(f"read of plan {name!r}"):
            sku = self._clients.web.app_service_plans.get(group, name).sku.name
        return AzureFunction(
            place=place, app=app, settings=self._functions.settings(place), sku=_TIERS.get(sku, sku), entry=entry,
            url=known.get(entry, ""), others=sorted(known.keys() - {entry}),
        )  # fmt: skip


def _memory_mib(told: AzureFunction) -> int:
    return int(told.app["properties"]["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"])


def _ready(told: AzureFunction) -> int:
    return int(effective(told.app, told.settings)["min_instances"])
