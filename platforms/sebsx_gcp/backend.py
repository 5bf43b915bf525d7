"""The platform `gcp`: Cloud Run functions of the second generation."""

from __future__ import annotations

import logging
import math
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from sebsx.clouds import labels
from sebsx.clouds.accounts import AccountPlatform
from sebsx.clouds.fresh import function_name
from sebsx.clouds.refusals import problems
from sebsx.clouds.shipped import Shipped
from sebsx.clouds.waiting import until
from sebsx.errors import PlatformError
from sebsx.model import Between, Deployment, OneOf, Problem, Severity
from sebsx.model.options import MAX_INSTANCES, MIN_INSTANCES, SANDBOX_CONCURRENCY, VCPU
from sebsx_gcp import packages
from sebsx_gcp.clients import GcpClients
from sebsx_gcp.errors import ERRORS
from sebsx_gcp.existing import GcpExisting, read_name
from sebsx_gcp.functions import NAME, VCPU_BY_MEMORY, GcpFunctions, effective, service_config
from sebsx_gcp.logs import RequestLogs
from sebsx_gcp.refusals import is_refusal
from sebsx_gcp.resources import BUCKET, FUNCTION, KINDS, table_path
from sebsx_gcp.settings import GcpSettings
from sebsx_gcp.storage import GcsStorage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption, FunctionConfig, Option, Package, ProviderRecord, Provision, Reply, Scalar

logger = logging.getLogger(__name__)

# In answers of Google's front end: TRACE/SPAN;o=1.
TRACE_HEADER = "x-cloud-trace-context"
_PRINTED_WITHIN_S = 5.0  # the core asks a few times in a run, and most lines are there sooner
_INVOKER = "whoever runs sebsx needs the role roles/run.invoker"


class GcpPlatform(AccountPlatform[GcpSettings, GcpClients]):
    """Cloud Run functions."""

    name = "gcp"
    summary = "Google Cloud Run functions, second generation"
    extra = "gcp"
    provider = "gcp"
    Settings = GcpSettings
    Account = GcpClients
    kinds = KINDS
    ships = Shipped(
        package="sebsx_gcp",
        entries={"python": packages.PYTHON_ENTRY, "nodejs": packages.NODE_ENTRY},
        wrappers={"python": "sebsx_wrapper.py", "nodejs": "sebsx_wrapper.cjs"},
    )
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
        self._functions = GcpFunctions(self.account)
        self._logs = RequestLogs(self.account, lambda function: self._services.get(function, function))
        self._services: dict[str, str] = {}

    def check(self) -> Sequence[Problem]:
        """Ask Google which runtimes there are: tells of credentials, project, service and region at once."""
        offered: dict[str, list[str]] = {}
        with closing(self.account):
            found = problems(lambda: offered.update(self._functions.runtimes()))
            if not found:
                found = problems(lambda: self.account.identity("https://sebsx.invalid"))
        wanted = {f"python{self.settings.python.replace('.', '')}", f"nodejs{self.settings.nodejs}"}
        advice = "choose another with --set python= or nodejs="
        for runtime in sorted(wanted if offered else ()):
            told = offered.get(runtime)
            missing = Problem(f"{self.region} has no runtime {runtime!r}", advice=advice, severity=Severity.WARNING)
            said = [ERRORS.clean(words) for words in told or ()]
            found += [missing] if told is None else [Problem(words, severity=Severity.WARNING) for words in said]
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

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create a function and return it as Google reports it back."""
        _ = self.made
        name, region = function_name(config, NAME), self.account.region
        archive, digest = packages.laid_out(package, self.workdir)
        service = service_config(config, self.chosen(config), self.settings.service_account, self._environment())
        with self.ledger.creating(FUNCTION, name, region) as creation:
            build = packages.build_config(package, self._functions.upload(archive))
            told = self._functions.create(name, build, service, labels.encode(self.context.tags))
            creation.provider_id = name
        facts = {**effective(told), "function": name, "package": "zip"}
        self._services[name] = facts["service"]
        return Deployment(
            f"functions/{name}", config, effective=facts, endpoint=told.service_config.uri, region=region,
            deployed_sha256=digest,
        )  # fmt: skip

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Tell whether a word is the full name of a resource."""
        return address.startswith("projects/") and "/functions/" in address

    @classmethod
    def settings_in(cls, address: str) -> Mapping[str, str]:
        """Return project and region of a full name."""
        named = read_name(address)
        return {"project": named.project, "region": named.region} if named.project else {}

    def subject_of(self, address: str) -> str:
        """Return the name of a function, without project."""
        return read_name(address).name

    def existing(self, account: GcpClients) -> GcpExisting:
        """Return the user's functions in a project and region."""
        return GcpExisting(account, self.context)

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the user's function, a copy of it, or itself with other memory."""
        adopted = super().adopt(adoption)
        self._services[adopted.effective["function"]] = adopted.effective["service"]
        return adopted

    def teardown(self, deployment: Deployment) -> None:
        """Delete the function, with its service and image; its logs stay with the project for their time."""
        name = deployment.effective["function"]
        self._logs.end(name)
        self.delete((FUNCTION, name))

    def proof(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return a token that says who we are to this function alone."""
        assert deployment.endpoint is not None
        token = self.account.identity(deployment.endpoint)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def denial(self, reply: Reply) -> str | None:
        """Return what Google's front end said, where it was not the function."""
        return f"{self.error_of(reply)}; {_INVOKER}" if is_refusal(reply) else None

    def request_id_of(self, reply: Reply) -> str:
        """Return the trace that Google gave the invocation."""
        return reply.headers.get(TRACE_HEADER, reply.request_id).partition(";")[0].partition("/")[0]

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return what Cloud Logging has by now."""
        name = deployment.effective["function"]
        self._services.setdefault(name, deployment.effective.get("service", name))
        return self._logs.read(name, set(request_ids))

    def output_of(self, deployment: Deployment, reply: Reply) -> str:
        """Return what the function's instances printed since the call was sent, where the log has it soon."""
        name = deployment.effective["function"]
        try:
            look = partial(self._logs.printed, name, reply.sent_s)
            return until(lambda: look() or None, f"output of {name!r}", within_s=_PRINTED_WITHIN_S)
        except PlatformError as exc:
            logger.info("%s", exc)
            return ""

    def storage(self) -> GcsStorage:
        """Return the run's bucket."""
        return GcsStorage(self.account.storage, self.shared(BUCKET))

    def _environment(self) -> dict[str, str]:
        """Return what functions must know of storage and table."""
        settings = self.settings
        known = {
            "SEBSX_BUCKET": self.shared_name,
            "SEBSX_TABLE": table_path(self.account, self.shared_name),
            "SEBSX_STORAGE_URL": settings.storage_url,
            "SEBSX_FIRESTORE_URL": settings.firestore_url,
            "GCE_METADATA_HOST": settings.metadata_host,
            "SEBSX_ANONYMOUS": "1" if settings.anonymous else "",
        }
        return {name: value for name, value in known.items() if value}
