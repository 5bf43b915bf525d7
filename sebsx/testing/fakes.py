"""Fakes for faults that cannot be provoked: a platform in memory that fails as told, and a ledger to read."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
import types
import uuid
import zipfile
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sebsx.contracts.ledger import Creation
from sebsx.contracts.platforms import Platform
from sebsx.errors import DeployError, UnsupportedError
from sebsx.model import (
    Between,
    Capability,
    Deployment,
    OneOf,
    Option,
    ProviderRecord,
    Reply,
    ResourceState,
    StartType,
    Status,
    Target,
)
from sebsx.model.options import GPU, MIN_INSTANCES, PACKAGE, VCPU
from sebsx.settings import setting
from sebsx.testing import bare
from sebsx.testing.handlers import FolderStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.contracts.storage import Storage
    from sebsx.model import FunctionConfig, Package


class MemoryLedger:
    """A ledger that a test can read: `open` holds what was created or planned and not deleted."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], ResourceState] = {}

    @contextlib.contextmanager
    def creating(self, kind: str, name: str, region: str = "") -> Iterator[Creation]:
        """Note `planned` on entry and `created` on a clean exit."""
        self.open[kind, name] = ResourceState.PLANNED
        yield Creation()
        self.open[kind, name] = ResourceState.CREATED

    def deleted(self, kind: str, name: str) -> None:
        """Forget it."""
        self.open.pop((kind, name), None)


class Fault(StrEnum):
    """What happens to one invocation instead of an answer."""

    THROTTLED = "throttled"  # HTTP 429, the function does not run
    LOST = "lost"  # the function runs, its answer never arrives
    REFUSED = "refused"  # no connection
    GARBLED = "garbled"  # HTTP 200 with a body that is not an envelope
    OUT_OF_MEMORY = "out_of_memory"  # HTTP 507, the sandbox is gone


@dataclass(frozen=True)
class FakeSettings:
    """Settings of the fake platform."""

    record_delay_polls: int = setting(0, help="polls before a record appears", minimum=0)


@dataclass
class _Sandbox:
    handler: Callable[[Any, Any], Any]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    calls: int = 0


class FakePlatform(Platform[FakeSettings]):
    """Runs the package's Python code inside the test's own process, one sandbox per deployment, no dependencies.

    Attributes:
        faults: Consumed by the next invocations in order; None lets one through. Without any, all succeed.
        invocations: How many invocations reached the function.
    """

    name = "fake"
    summary = "in the process of the test, with faults that it chooses"
    Settings = FakeSettings
    capabilities = frozenset({Capability.FORCE_COLD, Capability.RECORDS, Capability.STORAGE, Capability.TABLE})
    architectures = ("x86_64",)
    late_records = True
    one_at_a_time = False  # they take no time: one after the other is at once; `LaterPlatform` really overlaps
    options = (
        VCPU.offered(Between(0.25, 4, step=0.25), default=1.0),
        GPU.offered(OneOf((0, 1, 4)), default=0),
        MIN_INSTANCES.offered(Between(0, 10), default=0),
        PACKAGE.offered(OneOf(("zip", "image")), default="zip"),
        Option(name="snapshot", kind=bool, help="start from a snapshot", offer=OneOf((False, True)), default=False),
        Option(name="note", kind=str, help="any words at all"),
    )

    def __init__(self, settings: FakeSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self.faults: list[Fault | None] = []
        self.invocations = 0
        self._objects = context.workdir / "storage"
        self._table = bare.BareTable()
        self._packages: dict[str, Package] = {}
        self._sandboxes: dict[str, _Sandbox] = {}
        self._records: dict[str, ProviderRecord] = {}
        self._polls: dict[str, int] = {}

    def target(self, language: str, architecture: str) -> Target:
        """Return the interpreter that runs the test."""
        if language != "python" or architecture not in self.architectures:
            raise UnsupportedError(f"platform 'fake' does not run {language!r} on {architecture!r}")
        return Target("python", f"{sys.version_info.major}.{sys.version_info.minor}", architecture=architecture)

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Keep the package; nothing runs yet."""
        if config.name in self._packages:
            raise DeployError(f"function {config.name!r} exists already")
        with self.ledger.creating("function", config.name):
            self._packages[config.name] = package
        return self._deployment(config)

    def teardown(self, deployment: Deployment) -> None:
        """Forget the function."""
        self._packages.pop(deployment.id, None)
        self._sandboxes.pop(deployment.id, None)
        self.ledger.deleted("function", deployment.id)

    def invoke(self, deployment: Deployment, payload: bytes, timeout_s: float) -> Reply:
        """Run the function here, unless a fault is due."""
        request_id = uuid.uuid4().hex
        sent_s = time.time()
        fault = self.faults.pop(0) if self.faults else None
        if fault in (Fault.THROTTLED, Fault.REFUSED):
            status, body = (429, b"{}") if fault is Fault.THROTTLED else (None, b"")
        else:
            status, body = self._run(deployment, request_id, payload)
        if fault is Fault.OUT_OF_MEMORY:
            self._sandboxes.pop(deployment.id, None)
            status, body = 507, b"{}"
        errors = {Fault.LOST: "timeout", Fault.REFUSED: "connection refused"}
        error = errors.get(fault) if fault else None
        if fault is Fault.GARBLED:
            body = b"<html>"
        return Reply(
            request_id=request_id,
            intended_s=sent_s,
            sent_s=sent_s,
            connected_s=None if fault is Fault.REFUSED else sent_s,
            first_byte_s=None if error else time.time(),
            done_s=time.time(),
            http_status=None if error else status,
            headers={},
            body=b"" if error else body,
            bytes_out=len(payload),
            error=error,
        )

    def status_of(self, reply: Reply) -> Status:
        """Return what a reply means; 507 is out of memory, as at a gateway."""
        return Status.OUT_OF_MEMORY if reply.http_status == 507 else super().status_of(reply)

    def force_cold(self, deployment: Deployment) -> None:
        """Forget the sandbox."""
        self._sandboxes.pop(deployment.id, None)

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return the records asked for often enough."""
        for request_id in request_ids:
            self._polls[request_id] = self._polls.get(request_id, 0) + 1
        return {
            request_id: self._records[request_id]
            for request_id in request_ids
            if request_id in self._records and self._polls[request_id] > self.settings.record_delay_polls
        }

    def storage(self) -> Storage:
        """Return the storage that functions see as well."""
        return FolderStorage(self._objects)

    def _deployment(self, config: FunctionConfig) -> Deployment:
        options = {option.name: self.option(config, option.name) for option in self.options}
        effective = {
            "memory_mib": config.memory_mib,
            "timeout_s": config.timeout_s,
            "architecture": config.architecture,
            **{name: value for name, value in options.items() if value is not None},
        }
        return Deployment(config.name, config, effective=effective)

    def _run(self, deployment: Deployment, request_id: str, payload: bytes) -> tuple[int, bytes]:
        self.invocations += 1
        cold = deployment.id not in self._sandboxes
        if cold:
            self._sandboxes[deployment.id] = _Sandbox(_load_handler(self._packages[deployment.id].path))
        sandbox = self._sandboxes[deployment.id]
        sandbox.calls += 1
        config = deployment.config
        context = bare.BareContext(
            request_id, config.memory_mib, config.timeout_s, bare.BareStorage(str(self._objects)), self._table
        )
        started_s, started = time.time(), time.perf_counter()
        answer, status = bare.call(sandbox.handler, json.loads(payload), context), 200
        duration_s = time.perf_counter() - started
        if duration_s > config.timeout_s:
            del self._sandboxes[deployment.id]
            answer, status = {}, 504
        self._records[request_id] = ProviderRecord(
            request_id,
            duration_s=duration_s,
            init_s=0.0 if cold else None,
            billed_s=math.ceil(duration_s * 1000) / 1000,
            max_memory_bytes=64 * 2**20,
            sandbox_id=sandbox.id,
            start_type=StartType.COLD if cold else StartType.WARM,
        )
        figures = {
            "v": 1,
            "sandbox": sandbox.id,
            "call": sandbox.calls,
            "started_s": started_s,
            "finished_s": started_s + duration_s,
            "duration_s": duration_s,
            "samples": {f"phase.{name}_s": value for name, value in context.phases_s.items()},
        } | ({"boot_s": 0.0, "import_s": 0.0, "facts": {}} if cold else {})
        return status, json.dumps({"sebsx": figures, **answer}).encode()


def _load_handler(package: Path) -> Callable[[Any, Any], Any]:
    with zipfile.ZipFile(package) as archive:
        module_name, _, function = json.loads(archive.read("sebsx.json"))["handler"].rpartition(".")
        source = archive.read(module_name.replace(".", "/") + ".py")
    module = types.ModuleType(module_name)
    exec(compile(source, f"{module_name}.py", "exec"), module.__dict__)  # noqa: S102  # the test's own function
    handler: Callable[[Any, Any], Any] = getattr(module, function)
    return handler
