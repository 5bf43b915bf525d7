"""The contract of a platform: where functions run.

A platform needs two methods, `deploy` and `teardown`; everything else is a capability. The core sends and
times HTTP itself, so that all providers are measured at the same points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

from sebsx import plugins
from sebsx.errors import UnknownNameError, UnsupportedError
from sebsx.model import Capability, ProviderRecord, Reply, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sebsx.languages import Language
    from sebsx.model import Deployment, FunctionConfig, Package, Problem, Resource, Target
    from sebsx.plugins import Registry
    from sebsx.storage import Storage

S = TypeVar("S")


@dataclass(frozen=True)
class NoSettings:
    """Settings of a plugin that has none."""


@dataclass(slots=True)
class Creation:
    """A resource being created; the platform sets `provider_id` as soon as it knows it."""

    provider_id: str | None = None


class Ledger(Protocol):
    """Where a platform writes down what it creates, before it creates it."""

    def creating(self, kind: str, name: str, region: str = "") -> AbstractContextManager[Creation]:
        """Return a context: `planned` is committed on entry, `created` on a clean exit.

        When the body raises, the resource stays `planned`, so that clean-up looks for it.
        """
        ...

    def deleted(self, kind: str, name: str) -> None:
        """Record that a resource is gone. Harmless when it is not in the ledger."""
        ...


class ForgetfulLedger:
    """A ledger for platforms used outside a run, such as in a test: it writes nothing down."""

    @contextmanager
    def creating(self, kind: str, name: str, region: str = "") -> Iterator[Creation]:
        """Return a creation nobody remembers."""
        yield Creation()

    def deleted(self, kind: str, name: str) -> None:
        """Forget it."""


class Platform(ABC, Generic[S]):
    """A place where functions run.

    Instances are made once per run, opened with `with`, and used from one thread. `__init__` does no I/O. The core sets
    `ledger` and `registry` before it opens one.

    Class attributes:
        name: What a user types, kebab-case.
        summary: One line for `sebsx list platforms`.
        default: Whether a run that names no platform means this one.
        extra: Extra of the distribution that brings the SDK, None if nothing more is needed.
        Settings: Frozen dataclass, see `sebsx.settings`.
        capabilities: What it can do beyond deploy and teardown.
        architectures: Those it offers, the default first.
        memory_mib: Smallest and largest memory that can be provisioned.
        timeout_s: Longest time-out that can be asked for.
        payload_bytes: Largest request body.
        late_records: Whether `records` come long after the invocations: they are then asked for at the end.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    default: ClassVar[bool] = False
    extra: ClassVar[str | None] = None
    Settings: ClassVar[type[Any]] = NoSettings
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    architectures: ClassVar[tuple[str, ...]] = ("x86_64",)
    memory_mib: ClassVar[tuple[int, int]] = (128, 10240)
    timeout_s: ClassVar[float] = 900.0
    payload_bytes: ClassVar[int] = 6 * 1024 * 1024
    late_records: ClassVar[bool] = False

    def __init__(self, settings: S, workdir: Path) -> None:
        self.settings = settings
        self.workdir = workdir
        self.ledger: Ledger = ForgetfulLedger()
        self.registry: Registry | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        return None

    def language(self, name: str) -> Language:
        """Return a language as plugins registered it: how it is packaged and started.

        Raises:
            UnsupportedError: If nobody registered it.
        """
        if self.registry is None:  # used outside a run, such as in a test
            self.registry = plugins.load()
        try:
            found: Language = self.registry.get("languages", name)()
        except UnknownNameError as exc:
            raise UnsupportedError(str(exc)) from exc
        return found

    def check(self) -> Sequence[Problem]:
        """Return what stands in the way: credentials, tools, quota. Cheap and read-only; works unopened."""
        return ()

    @abstractmethod
    def target(self, language: str, architecture: str) -> Target:
        """Return what packages must be built for.

        Raises:
            UnsupportedError: If it does not run that language or architecture.
        """

    @abstractmethod
    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create a function and return it with the configuration the platform REPORTS BACK.

        Blocks until it can be invoked. Every resource goes through `self.ledger.creating` first.

        Raises:
            UnsupportedError: If this combination is impossible here; stored as a result.
            DeployError: If it fails; what was created is in the ledger.
        """

    @abstractmethod
    def teardown(self, deployment: Deployment) -> None:
        """Delete everything `deploy` created for it. A second call is harmless."""

    def signed(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return headers that prove who sends `payload`, besides `deployment.headers`; good for at least two minutes.

        Called outside the measured path before each batch, and again while a long one goes on. Never stored.
        """
        return {}

    def invoke(self, deployment: Deployment, payload: bytes, timeout_s: float) -> Reply | None:
        """Invoke by other means than HTTP; the default None tells the core to use `deployment.endpoint`."""
        return None

    def status_of(self, reply: Reply) -> Status:
        """Return what a reply means. `function_error` and `ok` are told apart by the envelope, not here.

        The default reads the HTTP status: 2xx ok, 429 throttled, 408 and 504 timeout, else platform_error.
        """
        if reply.http_status is None:
            return Status.TIMEOUT if reply.error == "timeout" else Status.PLATFORM_ERROR
        if 200 <= reply.http_status < 300:
            return Status.OK
        known = {429: Status.THROTTLED, 408: Status.TIMEOUT, 504: Status.TIMEOUT}
        return known.get(reply.http_status, Status.PLATFORM_ERROR)

    def request_id_of(self, reply: Reply) -> str:
        """Return the id under which the provider knows the invocation. Default: the one we sent."""
        return reply.request_id

    def record_of(self, deployment: Deployment, reply: Reply) -> ProviderRecord | None:
        """Return the provider's figures that came with an answer; None where there are none."""
        return None

    def force_cold(self, deployment: Deployment) -> None:
        """Make sure the next invocation meets no existing sandbox (`FORCE_COLD`). May be slow."""
        raise self._missing(Capability.FORCE_COLD, deployment.id)

    def resize(self, deployment: Deployment, memory_mib: int) -> Deployment:
        """Change provisioned memory and return the deployment as reported back (`RESIZE`)."""
        raise self._missing(Capability.RESIZE, deployment.id)

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return the provider's figures by request id (`RECORDS`); those not there yet are left out."""
        return {}

    def cost_usd(self, deployment: Deployment, record: ProviderRecord) -> float | None:
        """Return the cost of one invocation, or None where there is no price."""
        return record.cost_usd

    def storage(self) -> Storage:
        """Return object storage that functions of this platform reach (`STORAGE`)."""
        raise self._missing(Capability.STORAGE, self.name)

    def table(self) -> None:
        """Make sure that the key-value table that functions reach is there (`TABLE`)."""

    def wrapper_files(self, language: str) -> Mapping[str, bytes]:
        """Return files to put into a package: `sebsx_wrapper.<ext>`, the platform's side of the context.

        For Python the module defines `storage()` and `table()`, each returning the client behind
        `context.storage` and `context.table`, and only these two. Empty where the platform has neither.
        """
        return {}

    def orphans(self) -> Sequence[Resource]:
        """Return resources on the platform that carry our tags and belong to no living run. Works unopened."""
        return ()

    def remove(self, resource: Resource) -> None:
        """Delete one resource from the ledger or from `orphans`. Harmless when it is gone already; works unopened.

        Raises:
            PlatformError: If it exists and cannot be deleted.
        """
        raise UnsupportedError(f"platform {self.name!r} cannot remove {resource.kind} {resource.name!r}")

    def _missing(self, capability: Capability, what: str) -> UnsupportedError:
        return UnsupportedError(f"platform {self.name!r} has no capability {capability.value!r}, wanted for {what!r}")
