"""The platform `azure`: Azure Functions on Flex Consumption and Consumption."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from sebsx.clouds import shipped
from sebsx.clouds.adopted import CHANGE, undo
from sebsx.clouds.certificates import text_of
from sebsx.clouds.fresh import function_name
from sebsx.clouds.made import delete_each, end
from sebsx.clouds.refusals import problems
from sebsx.clouds.tags import check_ours, in_region
from sebsx.clouds.targets import target_of
from sebsx.contracts.platforms import Platform
from sebsx.errors import CredentialsError, PlatformError, UserError
from sebsx.model import Between, Capability, Deployment, OneOf, ProviderRecord, Status
from sebsx.model.options import MAX_INSTANCES, MIN_INSTANCES, SANDBOX_CONCURRENCY, TIER
from sebsx_azure import existing, packages, resources
from sebsx_azure.clients import EXTRA, AzureClients, clean, explained
from sebsx_azure.existing import AzureExisting
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
from sebsx_azure.resources import FUNCTION, PLAN
from sebsx_azure.settings import COSMOS, AzureSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.contracts.prices import Billing
    from sebsx.contracts.storage import Storage
    from sebsx.model import (
        Adoption,
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
_WRAPPERS = {"python": "sebsx_wrapper.py", "nodejs": "sebsx_wrapper.cjs"}
_COSMOS = {"python": "sebsx_wrapper_cosmos.py", "nodejs": "sebsx_wrapper_cosmos.cjs"}
_PACKAGES = "packages"  # container for those of apps on Consumption


class AzurePlatform(Platform[AzureSettings]):
    """Azure Functions."""

    name = "azure"
    summary = "Azure Functions, on Flex Consumption and Consumption"
    also_called = ("azure-functions",)
    extra = EXTRA
    provider = "azure"
    Settings = AzureSettings
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.FORCE_COLD, Capability.RECORDS, Capability.STORAGE, Capability.TABLE, Capability.ADOPT,
            Capability.CHANGE,
        }
    )  # fmt: skip
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

    def __init__(self, settings: AzureSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._clients = AzureClients(settings)
        self._functions = AzureFunctions(self._clients)
        self._records = RequestRecords(
            self._clients, lambda: resources.AzureResources(self._clients, context).workspace_id()
        )
        self._resources: resources.AzureResources | None = None
        self._existing = self._existing_by(self._clients)
        self._refusal: CredentialsError | None = None
        self._adopted = False
        self._shortest_s = self.timeout_s  # limit of all functions that were called
        self._missing_records = False

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._clients.close)  # where nobody may enter, nobody leaves
            self._clients.token()
            stack.pop_all()
        self._refusal, self._missing_records = None, False
        self._resources = resources.AzureResources(self._clients, self.context)
        return self

    def __exit__(self, *_exc: object) -> None:
        made, self._resources = self._resources, None
        if made is not None and self._missing_records:
            made.keep_logs()
        end(made, self._clients)

    @property
    def certificates(self) -> str:
        """What is in the file that the settings name."""
        return text_of(self.settings.certificate)

    def check(self) -> Sequence[Problem]:
        """Ask Azure what the region offers: tells of credentials, subscription, providers and region at once."""
        with closing(self._clients):
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

    def target(self, language: str, architecture: str) -> Target:
        """Return the runtime that the settings name."""
        return target_of(self, language, architecture)

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create an app with one function and return it as Azure reports it back."""
        archive, digest = packages.laid_out(package, self.workdir)
        name, made = function_name(config, NAME), self._opened
        options = {option.name: self.option(config, option.name) for option in self.options}
        place, account = f"{made.group}/{name}", made.account
        blobs, settings = self._clients.blobs(account.connection), self._app_settings()
        is_flex = options["tier"] == FLEX
        container = resources.made_container(blobs, name if is_flex else _PACKAGES)
        if not is_flex:
            settings["WEBSITE_RUN_FROM_PACKAGE"] = made.upload(container, f"{name}.zip", archive)
        wanted = site(self._clients, place, package.target, config, options, settings, container.url)
        for kind, body in ((PLAN, plan(str(options["tier"]))), (FUNCTION, wanted)):
            with self.ledger.creating(kind, place, self._clients.region) as creation:
                creation.provider_id = resources.put(self._clients, kind, place, made.tags, body)
        if is_flex:
            self._functions.publish(place, archive)
        url = self._functions.started(place)
        facts = effective(self._functions.app(place), self._functions.settings(place))
        return Deployment(
            f"functions/{name}", config, effective={**facts, "function": place, "package": "zip"}, endpoint=url,
            region=self._clients.region, deployed_sha256=digest,
        )  # fmt: skip

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Tell whether a word is the full id of an app or of a function in it."""
        return existing.is_id(address)

    def subject_of(self, address: str) -> str:
        """Return the name of an app, and of the function in it if it is named; without subscription and group."""
        named = existing.read_name(address)
        return "/".join(filter(None, (named.app, named.function)))

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the user's function, a copy of it, or itself with other memory."""
        return self._existing.adopt(adoption)

    def release(self, deployment: Deployment) -> None:
        """Delete a copy, or put a change back; what was measured as it is stays as it is."""
        undo(deployment, self.ledger, delete=self.teardown, put_back=self._existing.put_back)

    def teardown(self, deployment: Deployment) -> None:
        """Delete the app and its plan; its package goes with the storage account, its logs when all are read."""
        place = deployment.effective["function"]
        self._missing_records |= self._records.end(place.partition("/")[2])
        delete_each(self.ledger, [(FUNCTION, place), (PLAN, place)], partial(resources.delete, self._clients))

    def signed(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return the key of the function."""
        if self._refusal is not None:
            raise self._refusal
        place = deployment.effective["function"]
        self._adopted = deployment.adopted
        self._shortest_s = min(self._shortest_s, self._limit_s(deployment))
        with explained(f"read of the key of function {place.partition('/')[2]!r}"):
            return {_KEY_HEADER: self._functions.key(place, deployment.effective.get("entry", ENTRY))}

    def status_of(self, reply: Reply) -> Status:
        """Return what an answer means; Azure's host answers 500 to a call that it ends for its time."""
        if reply.http_status in _REFUSED and not self._adopted:  # a user's own may mean something by it
            self._refusal = CredentialsError(
                f"invocations are refused: {self.error_of(reply)}; somebody changed the keys of the function"
            )
        if _ended_by_host(reply):  # whose limit counts, `record_of` knows
            return self._limit(reply, self._shortest_s)
        return super().status_of(reply)

    def error_of(self, reply: Reply) -> str | None:
        """Return Azure's words for a refusal."""
        if reply.http_status is None or reply.http_status < 400:
            return None
        return clean(reply.body[:300].decode("utf-8", "replace")) or f"HTTP {reply.http_status}"

    def request_id_of(self, reply: Reply) -> str:
        """Return the id that Azure gave the invocation, where the function came to tell it."""
        return reply.headers.get(INVOCATION_HEADER, reply.request_id)

    def record_of(self, deployment: Deployment, reply: Reply) -> ProviderRecord | None:
        """Return how a call of the user's function started, and whether the limit of its function ended a call."""
        status = self._limit(reply, self._limit_s(deployment)) if _ended_by_host(reply) else None
        if not deployment.adopted:
            return ProviderRecord(self.request_id_of(reply), status=status) if status else None
        start = self._existing.start_of(deployment.effective["function"], reply)
        return ProviderRecord(self.request_id_of(reply), status=status, start_type=start)

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return what Application Insights has by now; where a user's functions tell of themselves is their affair."""
        if deployment.adopted:
            return {}
        return self._records.read(deployment.effective["function"].partition("/")[2], set(request_ids))

    def force_cold(self, deployment: Deployment) -> None:
        """Change a setting of the app, which ends its instances."""
        self._existing.end_instances(deployment.effective["function"])

    def billing(self, options: Mapping[str, Scalar]) -> Billing:
        """Return the plan beside what others say."""
        return replace(super().billing(options), scheme=str(options.get("tier", FLEX)))

    def storage(self) -> Storage:
        """Return the run's objects."""
        return self._opened.storage()

    def table(self) -> None:
        """Make the run's table."""
        self._opened.table()

    def wrapper_files(self, language: str) -> Mapping[str, bytes]:
        """Return the clients of objects and table."""
        if language not in _WRAPPERS:
            return {}
        own = [_WRAPPERS[language], *([_COSMOS[language]] if self.settings.table == COSMOS else [])]
        return {**shipped.own_files("sebsx_azure", *own), **shipped.shared_files(language)}

    def layout(self, package: Manifest, target: Target) -> Mapping[str, bytes]:
        """Return what Azure's worker loads, and Microsoft's library that it is written for."""
        return packages.files_for(target.language)

    def orphans(self) -> Sequence[Resource]:
        """Return everything in the subscription with our tags."""
        with closing(self._clients):
            return list(resources.tagged(self._clients, self.name))

    def remove(self, resource: Resource) -> None:
        """Delete one resource; one whose tags are known and not ours is refused."""
        check_ours(resource, self.name)
        with closing(AzureClients(in_region(self.settings, resource))) as clients:
            if resource.kind == CHANGE:
                self._existing_by(clients).put_back(resource.name)
            else:
                resources.delete(clients, resource.kind, resource.name)

    def _existing_by(self, clients: AzureClients) -> AzureExisting:
        return AzureExisting(clients, self.context, lambda: self._opened)

    @property
    def _opened(self) -> resources.AzureResources:
        if self._resources is None:
            raise PlatformError(f"platform {self.name!r} is not open; use it in a `with` block")
        return self._resources

    def _app_settings(self) -> dict[str, str]:
        """Return what every app is told of storage, table and logs."""
        made = self._opened
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
        with explained("look at the subscription"):
            states = {
                item.namespace.lower(): item.registration_state for item in self._clients.resources.providers.list()
            }
            regions = {
                "".join(item.name.split()).lower()
                for item in self._clients.web.list_geo_regions(sku="FlexConsumption", linux_workers_enabled=True)
            }
        needed = {
            name.partition("/")[0] for kind, (name, _) in resources.TYPES.items()
            if kind != resources.COSMOS_ACCOUNT or self.settings.table == COSMOS
        }  # fmt: skip
        if missing := sorted(name for name in needed if states.get(name.lower()) != "Registered"):
            raise PlatformError(
                f"the subscription has not registered {', '.join(missing)}; register each provider (az provider "
                "register --namespace NAME --wait)"
            )
        if self._clients.region not in regions:
            raise UserError(
                f"{self._clients.region!r} has no Flex Consumption; choose another with --set region= "
                "(az functionapp list-flexconsumption-locations)"
            )


def _ended_by_host(reply: Reply) -> bool:
    """Tell whether Azure's host answered, and not the function; a user's own may answer so itself."""
    return reply.http_status in (500, 502) and INVOCATION_HEADER not in reply.headers
