"""The platform `gcp`: Cloud Run functions of the second generation."""

from __future__ import annotations

import math
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from sebsx.clouds import labels, shipped
from sebsx.clouds.adopted import CHANGE, undo
from sebsx.clouds.fresh import function_name
from sebsx.clouds.made import delete_each, end
from sebsx.clouds.refusals import problems
from sebsx.clouds.tags import check_ours, in_region
from sebsx.clouds.targets import target_of
from sebsx.contracts.platforms import Platform
from sebsx.errors import CredentialsError, PlatformError
from sebsx.model import (
    Adoption,
    Between,
    Capability,
    Deployment,
    FunctionConfig,
    OneOf,
    Option,
    Package,
    Problem,
    ProviderRecord,
    Reply,
    Resource,
    Severity,
    Status,
    Target,
)
from sebsx.model.options import MAX_INSTANCES, MIN_INSTANCES, SANDBOX_CONCURRENCY, VCPU
from sebsx_gcp import packages, resources
from sebsx_gcp.clients import GcpClients, clean
from sebsx_gcp.existing import GcpExisting, read_name
from sebsx_gcp.functions import NAME, VCPU_BY_MEMORY, GcpFunctions, effective, service_config
from sebsx_gcp.logs import RequestLogs
from sebsx_gcp.refusals import is_refusal
from sebsx_gcp.settings import GcpSettings
from sebsx_gcp.storage import GcsStorage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.contracts.storage import Storage
    from sebsx.model import Manifest, Provision, Scalar

# In answers of Google's front end: TRACE/SPAN;o=1.
TRACE_HEADER = "x-cloud-trace-context"
_ENTRIES = {"python": packages.PYTHON_ENTRY, "nodejs": packages.NODE_ENTRY}
_WRAPPERS = {"python": "sebsx_wrapper.py", "nodejs": "sebsx_wrapper.cjs"}


class GcpPlatform(Platform[GcpSettings]):
    """Cloud Run functions."""

    name = "gcp"
    summary = "Google Cloud Run functions, second generation"
    extra = "gcp"
    provider = "gcp"
    Settings = GcpSettings
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.FORCE_COLD, Capability.RECORDS, Capability.STORAGE, Capability.TABLE, Capability.ADOPT,
            Capability.CHANGE,
        }
    )  # fmt: skip
    options: ClassVar[tuple[Option, ...]] = (
        VCPU.offered(OneOf((0.083, 0.167, 0.333, 0.583, 1.0, 2.0, 4.0, 6.0, 8.0))),  # else what the memory brings
        SANDBOX_CONCURRENCY.offered(Between(1, 1000), default=1),
        MIN_INSTANCES.offered(Between(0, math.inf), default=0),
        MAX_INSTANCES.offered(Between(0, math.inf), default=0),
    )
    memory_mib: ClassVar[Between | OneOf] = OneOf(tuple(VCPU_BY_MEMORY))
    timeout_s: ClassVar[float] = 3600.0
    # Cloud Run, "Configure startup health checks": an instance that listens no sooner is given up.
    init_timeout_s: ClassVar[float] = 240.0
    payload_bytes: ClassVar[int] = 32 * 1024 * 1024
    late_records: ClassVar[bool] = True

    def __init__(self, settings: GcpSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._clients = GcpClients(settings)
        self._functions = GcpFunctions(self._clients)
        self._logs = RequestLogs(self._clients, lambda function: self._services.get(function, function))
        self._services: dict[str, str] = {}
        self._resources: resources.GcpResources | None = None
        self._existing = GcpExisting(self._clients, context)
        self._refusal: CredentialsError | None = None

    def __enter__(self) -> Self:
        _ = self._clients.credentials, self._clients.project
        self._refusal = None
        self._resources = resources.GcpResources(self._clients, self.context)
        return self

    def __exit__(self, *_exc: object) -> None:
        made, self._resources = self._resources, None
        end(made, self._clients)

    def check(self) -> Sequence[Problem]:
        """Ask Google which runtimes there are: tells of credentials, project, service and region at once."""
        offered: dict[str, list[str]] = {}
        found = problems(lambda: offered.update(self._functions.runtimes()))
        if not found:
            found = problems(lambda: self._clients.identity("https://sebsx.invalid"))
        wanted = {f"python{self.settings.python.replace('.', '')}", f"nodejs{self.settings.nodejs}"}
        if offered:
            region = self._clients.region
            found += [
                Problem(
                    f"{region} has no runtime {runtime!r}", advice="choose another with --set python= or nodejs=",
                    severity=Severity.WARNING,
                )
                for runtime in sorted(wanted - offered.keys())
            ]  # fmt: skip
        for runtime in sorted(wanted & offered.keys()):
            found += [Problem(clean(text), severity=Severity.WARNING) for text in offered[runtime]]
        return found

    def provision(self, memory_mib: int, options: Mapping[str, Scalar], architecture: str) -> Provision:
        """Refuse what Google does not let go together, beside what is not offered."""
        found = super().provision(memory_mib, options, architecture)
        if found.unsupported:
            return found
        given = dict(found.options_offered)
        least = VCPU_BY_MEMORY[found.memory_offered_mib]
        vcpu = float(given.get("vcpu", least))
        if vcpu < least:
            return found.refused(f"{found.memory_offered_mib} MiB need {least:g} vCPU at least")
        if vcpu >= 4 and found.memory_offered_mib < 2048:
            return found.refused(f"{vcpu:g} vCPU need 2048 MiB at least")
        if int(given.get("sandbox_concurrency", 1)) > 1 and vcpu < 1:
            return found.refused("sandbox_concurrency above 1 needs 1 vCPU at least: add --option vcpu=1")
        return found

    def target(self, language: str, architecture: str) -> Target:
        """Return the runtime that the settings name."""
        return target_of(self, language, architecture)

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create a function and return it as Google reports it back."""
        name, made = function_name(config, NAME), self._opened
        archive, digest = packages.laid_out(package, self.workdir)
        options = {option.name: self.option(config, option.name) for option in self.options}
        service = service_config(config, options, self.settings.service_account, self._environment(made.name))
        with self.ledger.creating("function", name, self._clients.region) as creation:
            build = packages.build_config(package, self._functions.upload(archive))
            told = self._functions.create(name, build, service, labels.encode(self.context.tags))
            creation.provider_id = name
        facts = {**effective(told), "function": name, "package": "zip"}
        self._services[name] = facts["service"]
        return Deployment(
            f"functions/{name}", config, effective=facts, endpoint=told.service_config.uri,
            region=self._clients.region, deployed_sha256=digest,
        )  # fmt: skip

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Tell whether a word is the full name of a resource."""
        return address.startswith("projects/") and "/functions/" in address

    def subject_of(self, address: str) -> str:
        """Return the name of a function, without project."""
        return read_name(address).name

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the user's function, a copy of it, or itself with other memory."""
        _ = self._opened
        adopted = self._existing.adopt(adoption)
        self._services[adopted.effective["function"]] = adopted.effective["service"]
        return adopted

    def release(self, deployment: Deployment) -> None:
        """Delete a copy, or put a change back; what was measured as it is stays as it is."""
        undo(deployment, self.ledger, delete=self.teardown, put_back=self._existing.put_back)

    def teardown(self, deployment: Deployment) -> None:
        """Delete the function, with its service and image; its logs stay with the project for their time."""
        name = deployment.effective["function"]
        self._logs.end(name)
        delete_each(self.ledger, [("function", name)], partial(resources.delete, self._clients))

    def signed(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return a token that says who we are to this function alone."""
        if self._refusal is not None:
            raise self._refusal
        assert deployment.endpoint is not None
        token = self._clients.identity(deployment.endpoint)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def status_of(self, reply: Reply) -> Status:
        """Return what an answer means; one that takes the credentials no more ends the run once it is stored."""
        if is_refusal(reply):
            self._refusal = CredentialsError(
                f"invocations are refused: {self.error_of(reply)}; whoever runs sebsx needs the role roles/run.invoker"
            )
        return super().status_of(reply)

    def error_of(self, reply: Reply) -> str | None:
        """Return Google's words for a refusal."""
        if reply.http_status is None or reply.http_status < 400:
            return None
        return clean(reply.body[:300].decode("utf-8", "replace")) or f"HTTP {reply.http_status}"

    def request_id_of(self, reply: Reply) -> str:
        """Return the trace that Google gave the invocation."""
        return reply.headers.get(TRACE_HEADER, reply.request_id).partition(";")[0].partition("/")[0]

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return what Cloud Logging has by now."""
        name = deployment.effective["function"]
        self._services.setdefault(name, deployment.effective.get("service", name))
        return self._logs.read(name, set(request_ids))

    def force_cold(self, deployment: Deployment) -> None:
        """Make a new revision, whose instances have yet to be started."""
        self._functions.end_instances(deployment.effective["function"])

    def storage(self) -> Storage:
        """Return the run's bucket."""
        return GcsStorage(self._clients.storage, self._opened.bucket())

    def table(self) -> None:
        """Make the run's table."""
        self._opened.table()

    def wrapper_files(self, language: str) -> Mapping[str, bytes]:
        """Return the clients of storage and table."""
        if language not in _WRAPPERS:
            return {}
        return {**shipped.own_files("sebsx_gcp", _WRAPPERS[language]), **shipped.shared_files(language)}

    def layout(self, package: Manifest, target: Target) -> Mapping[str, bytes]:
        """Return what Google's functions framework calls."""
        return shipped.own_files("sebsx_gcp", _ENTRIES[target.language]) if target.language in _ENTRIES else {}

    def orphans(self) -> Sequence[Resource]:
        """Return everything in project and region with our tags."""
        with closing(self._clients):
            return list(resources.tagged(self._clients, self.name))

    def remove(self, resource: Resource) -> None:
        """Delete one resource; one whose tags are known and not ours is refused."""
        check_ours(resource, self.name)
        with closing(GcpClients(in_region(self.settings, resource))) as clients:
            if resource.kind == CHANGE:
                GcpExisting(clients, self.context).put_back(resource.name)
            else:
                resources.delete(clients, resource.kind, resource.name)

    @property
    def _opened(self) -> resources.GcpResources:
        if self._resources is None:
            raise PlatformError(f"platform {self.name!r} is not open; use it in a `with` block")
        return self._resources

    def _environment(self, shared: str) -> dict[str, str]:
        """Return what functions must know of storage and table."""
        settings = self.settings
        known = {
            "SEBSX_BUCKET": shared,
            "SEBSX_TABLE": resources.table_path(self._clients, shared),
            "SEBSX_STORAGE_URL": settings.storage_url,
            "SEBSX_FIRESTORE_URL": settings.firestore_url,
            "GCE_METADATA_HOST": settings.metadata_host,
            "SEBSX_ANONYMOUS": "1" if settings.anonymous else "",
        }
        return {name: value for name, value in known.items() if value}
