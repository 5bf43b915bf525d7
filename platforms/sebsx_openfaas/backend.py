"""The platform `openfaas`: functions of one namespace, behind a gateway of the user's own."""

from __future__ import annotations

import json
import logging
import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sebsx.clouds.adopted import CHANGE, undo
from sebsx.clouds.fresh import NONCE, function_name, nonce
from sebsx.clouds.made import delete_each
from sebsx.clouds.records import LateRecords
from sebsx.clouds.refusals import problems
from sebsx.clouds.registries import IMAGE, PushedImages, remove_image
from sebsx.clouds.rest import words_of
from sebsx.clouds.selfhosted import SelfHostedPlatform
from sebsx.clouds.tags import are_ours, resource
from sebsx.clouds.waiting import until
from sebsx.errors import DeployError
from sebsx.model import (
    Between,
    Deployment,
    OneOf,
    Problem,
    ProviderRecord,
    Severity,
    Status,
    Target,
)  # fmt: skip
from sebsx.model.options import MAX_INSTANCES, MIN_INSTANCES, SANDBOX_CONCURRENCY, TRIGGER, VCPU
from sebsx_openfaas import functions
from sebsx_openfaas.callbacks import AsyncExchange, Sink
from sebsx_openfaas.existing import FUNCTION, NAME, ExistingFunctions, read_name
from sebsx_openfaas.functions import ASYNC, HTTP, SECRET, TRIGGERS
from sebsx_openfaas.gateway import ADVICE, EXTRA, FaasGateway
from sebsx_openfaas.probes import answers
from sebsx_openfaas.prometheus import ReplicaCounts
from sebsx_openfaas.settings import OpenFaasSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption, FunctionConfig, Manifest, Option, Package, Reply, Resource

logger = logging.getLogger(__name__)

SECRET_RESOURCE = "secret"  # noqa: S105  # kind of the resource
CALL_ID, DURATION, INTERNAL = "x-call-id", "x-duration-seconds", "x-openfaas-internal"
_SERVERS = {"python": "sebsx_server.py", "nodejs": "sebsx_server.cjs"}
# A line of of-watchdog: `POST / - 200 OK - ContentLength: 15B (0.0038s) [079d9ff9-...]`.
_LINE = re.compile(r"[A-Z]+ \S+ - \d{3} .*\((?P<seconds>\d+\.\d+)s\) \[(?P<id>[\w-]{1,128})\]")
_DEFAULT_NAMESPACE = "openfaas-fn"
_ANSWERS = 3  # of the new replica in a row: one that is about to end may still be asked meanwhile


class FunctionLogs(LateRecords):
    """What of-watchdog logs of calls, with the ids that the gateway gave them.

    Args:
        gateway: Has the logs.
    """

    def __init__(self, gateway: FaasGateway) -> None:
        super().__init__()
        self._gateway = gateway

    def lines(self, function: str, since_s: float) -> Iterable[tuple[float, ProviderRecord | None]]:
        """Yield what a function's log has; its instance is the sandbox's name at the provider."""
        since = datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for entry in self._gateway.log(*read_name(function), since):
            found = _LINE.search(str(entry.get("text", "")))
            yield _time(str(entry.get("timestamp", ""))), found and _record(found["id"], found["seconds"])


class OpenFaasPlatform(SelfHostedPlatform[OpenFaasSettings]):
    """Images behind of-watchdog in its mode `http`."""

    name = "openfaas"
    summary = "OpenFaaS: a gateway of your own, on Kubernetes or faasd"
    extra = EXTRA
    Settings = OpenFaasSettings
    options: ClassVar[tuple[Option, ...]] = (
        TRIGGER.offered(OneOf(TRIGGERS), default=HTTP),
        VCPU.offered(Between(0, 64, step=0.1), default=0.0),  # 0 for no limit
        SANDBOX_CONCURRENCY.offered(Between(0, math.inf), default=0),  # 0 for no limit
        MIN_INSTANCES.offered(Between(1, math.inf), default=1),
        MAX_INSTANCES.offered(Between(0, math.inf), default=0),
    )
    memory_mib: ClassVar[Between | OneOf] = Between(32, 65536)
    timeout_s: ClassVar[float] = 3600.0
    payload_bytes: ClassVar[int] = 64 * 1024 * 1024

    def __init__(self, settings: OpenFaasSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._gateway = FaasGateway(settings)
        self._existing = ExistingFunctions(self._gateway, settings, context)
        self._logs = FunctionLogs(self._gateway)
        self._replicas = ReplicaCounts(settings)
        self._sink: Sink | None = None
        self._deployed: dict[str, dict[str, Any]] = {}  # what was asked of the gateway, by function
        images = {"python": settings.python_image, "nodejs": settings.nodejs_image}
        self._images = {
            language: PushedImages(settings, context.ledger, base=base, folder=functions.FOLDER)
            for language, base in images.items()
        }

    def __enter__(self) -> Self:
        self._gateway.info()
        return super().__enter__()

    def __exit__(self, *_exc: object) -> None:
        sink, self._sink = self._sink, None
        try:
            if sink is not None:
                sink.close()
        finally:
            super().__exit__()

    def credentials_advice(self) -> str:
        """Return who may."""
        return ADVICE

    def check(self) -> Sequence[Problem]:
        """Ask the gateway what it is, which tells whether the password is good."""
        try:
            if found := [*problems(self._gateway.info), *self.store_problems()]:
                return found
        finally:
            self._close()
        found = self._replicas.problems()
        if self.settings.registry:
            return found
        said = "functions are images, and no registry is known: only functions that exist can be measured"
        return [Problem(said, advice="name one with --set registry=HOST/PATH", severity=Severity.WARNING), *found]

    def layout(self, package: Manifest, target: Target) -> Mapping[str, bytes]:
        """Return the server behind of-watchdog."""
        name = _SERVERS[target.language]
        return {name: (files("sebsx_openfaas") / "wrapper" / name).read_bytes()}

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create a function, wait until it answers, and return it as the gateway reports it back."""
        options = {option.name: self.option(config, option.name) for option in self.options}
        if options["trigger"] == ASYNC:
            self._callback_sink()
        image, digest = self._images[package.target.language].of(
            package, functions.recipe_of(package.target.language, self.settings.watchdog_image)
        )
        name = function_name(config, NAME)
        environment = {NONCE: nonce(), **self._store_secret()}
        own = [environment[SECRET]] if SECRET in environment else []
        document = functions.document_of(
            name, image, config, options, environment=environment, tags=self.context.tags,
            secrets=[*self.settings.secrets, *own],
        )  # fmt: skip
        with self.ledger.creating(FUNCTION, name) as creation:
            self._gateway.put(document, new=True)
            creation.provider_id = name
            self._deployed[name] = document
            self._wait(name, environment[NONCE])
            if options["min_instances"] > 1:
                self._scale(name, options["min_instances"])
            effective = functions.effective_of(self._gateway.function(name) or {})
        told = {
            "architecture": config.architecture, "memory_mib": config.memory_mib, "timeout_s": config.timeout_s,
            **effective, "function": name, "trigger": options["trigger"], "image_digest": digest,
        }  # fmt: skip
        way = "async-function" if options["trigger"] == ASYNC else "function"
        return Deployment(
            name,
            config,
            effective=told,
            endpoint=self._gateway.invoke_url(name, way=way),
            deployed_sha256=digest.removeprefix("sha256:"),
        )

    def teardown(self, deployment: Deployment) -> None:
        """Delete the function, with its replicas and their logs."""
        name = deployment.effective["function"]
        self._logs.end(name)
        self._deployed.pop(name, None)
        delete_each(self.ledger, [(FUNCTION, name)], self._delete)

    def subject_of(self, address: str) -> str:
        """Return the name of a function, with its namespace where it has one."""
        read_name(address)
        return address

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the user's function, a copy of it, or itself with other memory."""
        return self._existing.adopt(adoption)

    def release(self, deployment: Deployment) -> None:
        """Delete a copy, or put a change back; what was measured as it is stays as it is."""
        undo(deployment, self.ledger, delete=self.teardown, put_back=self._existing.put_back)

    def exchange(self, deployment: Deployment) -> AsyncExchange | None:
        """Return how an asynchronous call is queued and where its result arrives; others are one request."""
        if deployment.effective["trigger"] != ASYNC:
            return None
        assert deployment.endpoint is not None
        sink = self._callback_sink()
        return AsyncExchange(url=deployment.endpoint, callback=sink.callback, results=sink.results)

    def refuses(self, reply: Reply) -> bool:
        """Tell whether it was the gateway that refused: calls carry no password, and functions may answer 403 too."""
        return super().refuses(reply) and INTERNAL in reply.headers

    def status_of(self, reply: Reply) -> Status:
        """Return what an answer means; one with `X-OpenFaaS-Internal` was not made by the function."""
        status = super().status_of(reply)
        return Status.PLATFORM_ERROR if status is Status.OK and INTERNAL in reply.headers else status

    def error_of(self, reply: Reply) -> str | None:
        """Return the words of whoever refused, and who that was."""
        said = words_of(reply.body) if reply.body else ""
        return ": ".join(filter(None, (reply.headers.get(INTERNAL, ""), said))) or None

    def request_id_of(self, reply: Reply) -> str:
        """Return the id that the gateway gave the call."""
        return reply.headers.get(CALL_ID, reply.request_id)

    def record_of(self, deployment: Deployment, reply: Reply) -> ProviderRecord | None:
        """Return the duration that came along with the answer."""
        record = _record(self.request_id_of(reply), reply.headers.get(DURATION, ""))
        if record is None:
            return None
        facts = deployment.effective
        named, start = read_name(facts["function"]), None
        if deployment.adopted:
            start = self._existing.start_of(facts["function"], reply)
        replicas = self._replicas.at(f"{named.name}.{facts.get('namespace') or _DEFAULT_NAMESPACE}", reply.sent_s)
        return replace(record, start_type=start, evidence={} if replicas is None else {"replicas": replicas})

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return what the function's log has by now."""
        return self._logs.read(deployment.effective["function"], set(request_ids))

    def force_cold(self, deployment: Deployment) -> None:
        """Replace the function by itself with another variable, and wait until a new replica answers."""
        name = deployment.effective["function"]
        if deployment.adopted:
            self._existing.replace_replicas(name)
            return
        document, value = self._deployed[name], nonce()
        document["envVars"] = {**document["envVars"], NONCE: value}
        self._gateway.put(document, new=False)
        self._wait(name, value)

    def orphans(self) -> Sequence[Resource]:
        """Return every function with our annotations, the secret of ours that it has, and buckets of the storage.

        A secret carries nothing itself: without a function only the ledger knows it.
        """
        try:
            found = {}
            for status in self._gateway.functions():
                tags = status.get("annotations") or {}
                if are_ours(tags, self.name):
                    named = str((status.get("envVars") or {}).get(SECRET, ""))
                    for kind, name in ((FUNCTION, str(status["name"])), (SECRET_RESOURCE, named)):
                        if name:
                            found[kind, name] = resource(kind, name, tags)
            return [*found.values(), *self.store_orphans()]
        finally:
            if self._made is None:
                self._close()

    def _delete(self, kind: str, name: str) -> None:
        if kind == FUNCTION:
            self._gateway.delete(*read_name(name))
        elif kind == CHANGE:
            self._existing.put_back(name)
        elif kind == SECRET_RESOURCE:
            self._gateway.delete_secret(name)
        elif kind == IMAGE:
            remove_image(name)
        else:
            super()._delete(kind, name)

    def _close(self) -> None:
        self._gateway.close()
        self._replicas.close()
        super()._close()

    def _callback_sink(self) -> Sink:
        if self._sink is None:
            self._sink = Sink(self.settings.callback_url)
        return self._sink

    def _store_secret(self) -> dict[str, str]:
        """Make the secret with the keys of storage and table, once, and return the variable that names it."""
        variables = self.store_environment()
        if not variables:
            return {}
        name = self.store_name

        def make() -> str:
            self._gateway.make_secret(name, json.dumps(variables))
            return name

        return {SECRET: self._opened.once(SECRET_RESOURCE, name, make)}

    def _wait(self, name: str, value: str) -> None:
        """Wait until a replica with this variable answers: the gateway says available long before.

        Raises:
            DeployError: If none does in time.
        """
        url = f"{self._gateway.invoke_url(name)}?sebsx=ready"
        certificate = self.settings.certificate

        def look() -> bool | None:
            return all(answers(url, value, certificate) for _ in range(_ANSWERS)) or None

        try:
            until(look, f"start of function {name!r}", within_s=self.settings.ready_s)
        except DeployError as exc:
            status = self._gateway.function(name) or {}
            available = functions.replicas_of(status, available=True)
            raise DeployError(
                f"{exc}; {available} of its replicas are available: can the provider pull its image and is its memory "
                "enough? (faas-cli logs, kubectl describe)"
            ) from exc

    def _scale(self, name: str, wanted: int) -> None:
        """Ask for replicas and wait until as many answer as the gateway allows, which it does not say."""
        status = self._gateway.function(name) or {}
        self._gateway.scale(name, wanted, str(status.get("namespace") or _DEFAULT_NAMESPACE))

        def look() -> int | None:
            seen = self._gateway.function(name) or {}
            there, ready = functions.replicas_of(seen), functions.replicas_of(seen, available=True)
            return there if there and ready >= there else None

        given = until(look, f"scaling of function {name!r}", within_s=self.settings.ready_s)
        if given < wanted:
            logger.warning("function %r was asked to have %d replicas and the gateway gives it %d", name, wanted, given)


def _record(call_id: str, seconds: str) -> ProviderRecord | None:
    try:
        duration_s = float(seconds)
    except ValueError:
        return None
    if not 0 <= duration_s < math.inf:
        return None
    return ProviderRecord(call_id, duration_s=duration_s, billed_s=duration_s or None)


def _time(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
