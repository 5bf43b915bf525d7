"""The platform `azure`: Azure Functions on Flex Consumption and Consumption."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

from sebsx.clouds.accounts import AccountPlatform
from sebsx.clouds.certificates import text_of
from sebsx.clouds.fresh import function_name
from sebsx.clouds.refusals import problems
from sebsx.clouds.shipped import Shipped
from sebsx.errors import PlatformError, UserError
from sebsx.model import Between, Deployment, OneOf, ProviderRecord, Status
from sebsx.model.options import MAX_INSTANCES, MIN_INSTANCES, SANDBOX_CONCURRENCY, TIER
from sebsx_azure import packages
from sebsx_azure.clients import EXTRA, AzureClients, listed
from sebsx_azure.errors import ERRORS
from sebsx_azure.existing import AzureExisting, is_id, read_name
from sebsx_azure.functions import (
    CONSUMPTION,
    CONSUMPTION_MIB,
    ENTRY,
    FLEX,
    FLEX_MIB,
    NAME,
    AzureFunctions,
    effective,
    plan,
    site,
)
from sebsx_azure.records import RequestRecords
from sebsx_azure.resources import (
    ACCOUNT,
    ACCOUNT_NAME,
    COSMOS_ACCOUNT,
    FUNCTION,
    GROUP,
    KINDS,
    PLAN,
    SHARED_NAME,
    TYPES,
    WORKSPACE,
    AzureResources,
    made_container,
    put,
    tagged,
    workspace_id,
)
from sebsx_azure.settings import COSMOS, AzureSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.contracts.prices import Billing
    from sebsx.contracts.storage import Storage
    from sebsx.model import (
        FunctionConfig,
        Manifest,
        Option,
        Package,
        Problem,
        Provision,
        Reply,
        Resource,
        Scalar,
        Target,
    )

INVOCATION_HEADER = "x-sebsx-invocation-id"  # of our entry's making: Azure tells nobody but the function
_KEY_HEADER = "x-functions-key"
_REFUSED = (401, 403)
_COSMOS = Shipped(
    package="sebsx_azure", wrappers={"python": "sebsx_wrapper_cosmos.py", "nodejs": "sebsx_wrapper_cosmos.cjs"}
)
_PACKAGES = "packages"  # container for those of apps on Consumption


class AzurePlatform(AccountPlatform[AzureSettings, AzureClients]):
    """Azure Functions."""

    name = "azure"
    summary = "Azure Functions, on Flex Consumption and Consumption"
    also_called = ("azure-functions",)
    extra = EXTRA
    provider = "azure"
    Settings = AzureSettings
    Account = AzureClients
    kinds = KINDS
    shared_rule = SHARED_NAME
    ships = Shipped(
        package="sebsx_azure",
        entries={"python": packages.PYTHON_ENTRY, "nodejs": packages.NODE_ENTRY},
        wrappers={"python": "sebsx_wrapper.py", "nodejs": "sebsx_wrapper.cjs"},
    )
    options: ClassVar[tuple[Option, ...]] = (
        TIER.offered(OneOf((FLEX, CONSUMPTION)), default=FLEX),
        SANDBOX_CONCURRENCY.offered(Between(1, 1000), default=1),
        MIN_INSTANCES.offered(Between(0, 1000), default=0),
        MAX_INSTANCES.offered(Between(0, 1000), default=0),
    )
    memory_mib: ClassVar[Between | OneOf] = OneOf(FLEX_MIB)
    # The front end waits no longer for an answer, whatever the function's own is (docs: "Service limits", 2026-09).
    timeout_s: ClassVar[float] = 230.0
    init_timeout_s: ClassVar[float] = 60.0
    payload_bytes: ClassVar[int] = 100 * 1024 * 1024
    late_records: ClassVar[bool] = True
    _existing: AzureExisting  # which also knows how calls started

    def __init__(self, settings: AzureSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._functions = AzureFunctions(self.account)
        self._records = RequestRecords(self.account, lambda: workspace_id(self.account, self.shared_as(WORKSPACE)))
        self._resources = self._unread()
        self._adopted = False
        self._shortest_s = self.timeout_s  # limit of all functions that were called
        self._missing_records = False

    def __enter__(self) -> Self:
        super().__enter__()
        self._missing_records = False
        return self

    def __exit__(self, *exc: object) -> None:
        if self._missing_records:  # logs, and the group that they are in, are left to `sebsx records` and `clean`
            for kind in (WORKSPACE, GROUP):
                self.made.leave(kind, self.shared_as(kind))
        self._resources = self._unread()
        super().__exit__(*exc)

    @property
    def certificates(self) -> str:
        """What is in the file that the settings name."""
        return text_of(self.settings.certificate)

    def check(self) -> Sequence[Problem]:
        """Ask Azure what the region offers: tells of credentials, subscription, providers and region at once."""
        with closing(self.account):
            return problems(self._look)

    def provision(self, memory_mib: int, options: Mapping[str, Scalar], architecture: str) -> Provision:
        """Refuse what Consumption lacks; there memory is not chosen."""
        found = super().provision(memory_mib, options, architecture)
        given = dict(found.options_offered)
        if found.unsupported or given.get("tier", FLEX) == FLEX:
            return found
        for name, least in (("sandbox_concurrency", 1), ("min_instances", 0)):
            if int(given.get(name, least)) > least:
                return found.refused(f"{name} can be chosen on Flex Consumption alone: add --option tier=flex")
        if memory_mib > CONSUMPTION_MIB:
            return found.refused(f"Consumption has {CONSUMPTION_MIB} MiB at most")
        return replace(found, memory_offered_mib=CONSUMPTION_MIB)

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create an app with one function and return it as Azure reports it back."""
        archive, digest = packages.laid_out(package, self.workdir)
        name, made, options = function_name(config, NAME), self._resources, self.chosen(config)
        place = f"{self._group()}/{name}"
        blobs, settings = self.account.blobs(made.account.connection), self._app_settings()
        is_flex = options["tier"] == FLEX
        container = made_container(blobs, name if is_flex else _PACKAGES)
        if not is_flex:
            settings["WEBSITE_RUN_FROM_PACKAGE"] = made.upload(container, f"{name}.zip", archive)
        wanted = site(self.account, place, package.target, config, options, settings, container.url)
        for kind, body in ((PLAN, plan(str(options["tier"]))), (FUNCTION, wanted)):
            with self.ledger.creating(kind, place, self.account.region) as creation:
                creation.provider_id = put(self.account, kind, place, self.context.tags, body)
        if is_flex:
            self._functions.publish(place, archive)
        url = self._functions.started(place)
        facts = effective(self._functions.app(place), self._functions.settings(place))
        return Deployment(
            f"functions/{name}", config, effective={**facts, "function": place, "package": "zip"}, endpoint=url,
            region=self.account.region, deployed_sha256=digest,
        )  # fmt: skip

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Tell whether a word is the full id of an app or of a function in it."""
        return is_id(address)

    @classmethod
    def settings_in(cls, address: str) -> Mapping[str, str]:
        """Return the subscription of a full id, which does not say the region."""
        subscription = read_name(address).subscription
        return {"subscription": subscription} if subscription else {}

    def subject_of(self, address: str) -> str:
        """Return the name of an app, and of the function in it if it is named; without subscription and group."""
        named = read_name(address)
        return "/".join(filter(None, (named.app, named.function)))

    def teardown(self, deployment: Deployment) -> None:
        """Delete the app and its plan; its package goes with the storage account, its logs when all are read."""
        place = deployment.effective["function"]
        self._missing_records |= self._records.end(place.partition("/")[2])
        self.delete((FUNCTION, place), (PLAN, place))

    def proof(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return the key of the function."""
        place = deployment.effective["function"]
        self._adopted = deployment.adopted
        self._shortest_s = min(self._shortest_s, self._limit_s(deployment))
        with ERRORS.explained(f"read of the key of function {place.partition('/')[2]!r}"):
            return {_KEY_HEADER: self._functions.key(place, deployment.effective.get("entry", ENTRY))}

    def denial(self, reply: Reply) -> str | None:
        """Return Azure's words for a key that it takes no more; a user's own function may mean something by them."""
        denied = reply.http_status in _REFUSED and not self._adopted
        return f"{self.error_of(reply)}; somebody changed the keys of the function" if denied else None

    def status_of(self, reply: Reply) -> Status:
        """Return what an answer means; Azure's host answers 500 to a call that it ends for its time."""
        if _ended_by_host(reply):  # whose limit counts, `record_of` knows
            return self._limit(reply, self._shortest_s)
        return super().status_of(reply)

    def request_id_of(self, reply: Reply) -> str:
        """Return the id that Azure gave the invocation, where the function came to tell it."""
        return reply.headers.get(INVOCATION_HEADER, reply.request_id)

    def record_of(self, deployment: Deployment, reply: Reply) -> ProviderRecord | None:
        """Return how a call of the user's function started, and whether the limit of its function ended a call."""
        status = self._limit(reply, self._limit_s(deployment)) if _ended_by_host(reply) else None
        if not deployment.adopted:
            return ProviderRecord(self.request_id_of(reply), status=status) if status else None
        start = self._existing.starts.of(deployment.effective["function"], reply)
        return ProviderRecord(self.request_id_of(reply), status=status, start_type=start)

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return what Application Insights has by now; where a user's functions tell of themselves is their affair."""
        if deployment.adopted:
            return {}
        return self._records.read(deployment.effective["function"].partition("/")[2], set(request_ids))

    def billing(self, options: Mapping[str, Scalar]) -> Billing:
        """Return the plan beside what others say."""
        return replace(super().billing(options), scheme=str(options.get("tier", FLEX)))

    def storage(self) -> Storage:
        """Return the run's objects."""
        return self._resources.storage()

    def table(self) -> None:
        """Make the run's table."""
        self._resources.table()

    def wrapper_files(self, language: str) -> Mapping[str, bytes]:
        """Return the clients of objects and table."""
        own = _COSMOS.wrapper(language) if self.settings.table == COSMOS else {}
        return {**super().wrapper_files(language), **own}

    def layout(self, package: Manifest, target: Target) -> Mapping[str, bytes]:
        """Return what Azure's worker loads, and Microsoft's library that it is written for."""
        entry = super().layout(package, target)
        return {**entry, **packages.beside_entry(target.language)} if entry else {}

    def existing(self, account: AzureClients) -> AzureExisting:
        """Return the user's functions in a subscription and region."""
        return AzureExisting(account, self.context, self._group, lambda: self._resources)

    def search(self) -> Iterator[Resource]:
        """Yield everything in the subscription with our tags."""
        return tagged(self.account, self.name)

    def shared_as(self, kind: str) -> str:
        """Return the name of the run's group, or the place of what is in it: group and name."""
        if kind == GROUP:
            return self.shared_name
        is_account = kind in (ACCOUNT, COSMOS_ACCOUNT)
        name = self.context.name("shared", ACCOUNT_NAME) if is_account else self.shared_name
        return f"{self.settings.resource_group or self.shared_name}/{name}"

    def shared(self, kind: str) -> str:
        """Return the place of what functions share; the group that it is in is made before."""
        self._group()
        return super().shared(kind)

    def _group(self) -> str:
        """Return the resource group of everything, which exists then."""
        return self.settings.resource_group or super().shared(GROUP)

    def _unread(self) -> AzureResources:
        return AzureResources(self.account, self.shared, self.context.expires_at)

    def _app_settings(self) -> dict[str, str]:
        """Return what every app is told of storage, table and logs."""
        made = self._resources
        return {
            "AzureWebJobsStorage": made.account.connection,
            "APPLICATIONINSIGHTS_CONNECTION_STRING": made.insights,
            **made.urls(),
        }

    def _limit_s(self, deployment: Deployment) -> float:
        return float(deployment.effective.get("timeout_s", self.timeout_s))

    @staticmethod
    def _limit(reply: Reply, limit_s: float) -> Status:
        """Return what ended a call without an answer: its function's limit, or something else."""
        return Status.TIMEOUT if reply.done_s - reply.sent_s >= limit_s else Status.PLATFORM_ERROR

    def _look(self) -> None:
        with ERRORS.explained("look at the subscription"):
            states = {
                item.namespace.lower(): item.registration_state
                for item in listed("list of providers", self.account.resources.providers.list())
            }
            offered = self.account.web.list_geo_regions(sku="FlexConsumption", linux_workers_enabled=True)
            regions = {"".join(item.name.split()).lower() for item in listed("list of regions", offered)}
        needed = {
            name.partition("/")[0] for kind, (name, _) in TYPES.items()
            if kind != COSMOS_ACCOUNT or self.settings.table == COSMOS
        }  # fmt: skip
        if missing := sorted(name for name in needed if states.get(name.lower()) != "Registered"):
            raise PlatformError(
                f"the subscription has not registered {', '.join(missing)}; register each provider (az provider "
                "register --namespace NAME --wait)"
            )
        if self.account.region not in regions:
            raise UserError(
                f"{self.account.region!r} has no Flex Consumption; choose another with --set region= "
                "(az functionapp list-flexconsumption-locations)"
            )


def _ended_by_host(reply: Reply) -> bool:
    """Tell whether Azure's host answered, and not the function; a user's own may answer so itself."""
    return reply.http_status in (500, 502) and INVOCATION_HEADER not in reply.headers
