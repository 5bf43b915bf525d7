"""The platform `openfaas`: functions of one namespace, behind a gateway of the user's own."""

from __future__ import annotations

import json
import logging
import math
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.clouds.accounts import ResourceKind
from sebsx.clouds.callbacks import CallbackSink
from sebsx.clouds.fresh import NONCE, function_name, nonce
from sebsx.clouds.images import base_of
from sebsx.clouds.records import LateRecords
from sebsx.clouds.refusals import problems
from sebsx.clouds.registries import IMAGES, PushedImages
from sebsx.clouds.rest import words_of
from sebsx.clouds.selfhosted import STORES, SelfHostedPlatform
from sebsx.clouds.shipped import Shipped
from sebsx.clouds.tags import are_ours, resource
from sebsx.clouds.waiting import until
from sebsx.errors import DeployError
from sebsx.model import Between, Deployment, OneOf, Problem, ProviderRecord, Severity, Status
from sebsx.model.options import MAX_INSTANCES, MIN_INSTANCES, SANDBOX_CONCURRENCY, TRIGGER, VCPU
from sebsx_openfaas import functions
from sebsx_openfaas.callbacks import CALL_ID, HEADERS, AsyncExchange
from sebsx_openfaas.existing import FUNCTION, NAME, ExistingFunctions, read_name
from sebsx_openfaas.functions import ASYNC, HTTP, SECRET, TRIGGERS
from sebsx_openfaas.gateway import ADVICE, FaasGateway
from sebsx_openfaas.probes import answers
from sebsx_openfaas.settings import EXTRA, OpenFaasSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import FunctionConfig, Option, Package, Reply, Resource, Scalar, Target

logger = logging.getLogger(__name__)

SECRET_RESOURCE = "secret"  # noqa: S105  # kind of the resource
DURATION, INTERNAL = "x-duration-seconds", "x-openfaas-internal"
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


def _delete_function(gateway: FaasGateway, name: str) -> None:
    gateway.delete(*read_name(name))


def _make_secret(gateway: FaasGateway, name: str, _tags: Mapping[str, str]) -> str:
    """Make the secret with the keys of storage and table."""
    gateway.make_secret(name, json.dumps(gateway.store_environment(name)))
    return name


class OpenFaasPlatform(SelfHostedPlatform[OpenFaasSettings, FaasGateway]):
    """Images behind of-watchdog in its mode `http`."""

    name = "openfaas"
    summary = "OpenFaaS: a gateway of your own, on Kubernetes or faasd"
    extra = EXTRA
    Settings = OpenFaasSettings
    Account = FaasGateway
    kinds: ClassVar[Mapping[str, ResourceKind[Any]]] = {
        FUNCTION: ResourceKind(delete=_delete_function),
        SECRET_RESOURCE: ResourceKind(make=_make_secret, delete=FaasGateway.delete_secret),
        **IMAGES,
        **STORES,
    }
    ships = Shipped(package="sebsx_openfaas", entries={"python": "sebsx_server.py", "nodejs": "sebsx_server.cjs"})
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
        self._logs = FunctionLogs(self.account)
        self._sink: CallbackSink | None = None
        self._deployed: dict[str, dict[str, Any]] = {}  # what was asked of the gateway, by function
        self._bases = {"python": settings.python_image, "nodejs": settings.nodejs_image}
        self._images = {
            language: PushedImages(settings, context.ledger, base=base, folder=functions.FOLDER)
            for language, base in self._bases.items()
        }

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
        with closing(self.account):
            if found := [*problems(self.account.prove), *self.account.store_problems()]:
                return found
            found = self.account.replicas.problems()
        if self.settings.registry:
            return found
        said = "functions are images, and no registry is known: only functions that exist can be measured"
        return [Problem(said, advice="name one with --set registry=HOST/PATH", severity=Severity.WARNING), *found]

    def base_image(self, target: Target, options: Mapping[str, Scalar]) -> str:
        """Return the image that functions in a language are built from."""
        return base_of(self._bases[target.language], target)

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create a function, wait until it answers, and return it as the gateway reports it back."""
        options = self.chosen(config)
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
            self.account.put(document, new=True)
            creation.provider_id = name
            self._deployed[name] = document
            self._wait(name, environment[NONCE])
            if options["min_instances"] > 1:
                self._scale(name, options["min_instances"])
            effective = functions.effective_of(self.account.function(name) or {})
        told = {
            "architecture": config.architecture, "memory_mib": config.memory_mib, "timeout_s": config.timeout_s,
            **effective, "function": name, "trigger": options["trigger"], "image_digest": digest,
        }  # fmt: skip
        way = "async-function" if options["trigger"] == ASYNC else "function"
        return Deployment(
            name,
            config,
            effective=told,
            endpoint=self.account.invoke_url(name, way=way),
            deployed_sha256=digest.removeprefix("sha256:"),
        )

    def teardown(self, deployment: Deployment) -> None:
        """Delete the function, with its replicas and their logs."""
        name = deployment.effective["function"]
        self._logs.end(name)
        self._deployed.pop(name, None)
        self.delete((FUNCTION, name))

    def subject_of(self, address: str) -> str:
        """Return the name of a function, with its namespace where it has one."""
        read_name(address)
        return address

    def existing(self, account: FaasGateway) -> ExistingFunctions:
        """Return the user's functions behind a gateway."""
        return ExistingFunctions(account, self.context)

    @cached_property
    def _existing(self) -> ExistingFunctions:
        return self.existing(self.account)

    def exchange(self, deployment: Deployment) -> AsyncExchange | None:
        """Return how an asynchronous call is queued and where its result arrives; others are one request."""
        if deployment.effective["trigger"] != ASYNC:
            return None
        assert deployment.endpoint is not None
        sink = self._callback_sink()
        return AsyncExchange(url=deployment.endpoint, callback=sink.callback, results=sink.inbox)

    def denial(self, reply: Reply) -> str | None:
        """Return that the gateway refused: calls carry no password, and functions may answer 403 as well."""
        return super().denial(reply) if INTERNAL in reply.headers else None

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
            start = self._existing.starts.of(facts["function"], reply)
        replicas = self.account.replicas.at(
            f"{named.name}.{facts.get('namespace') or _DEFAULT_NAMESPACE}", reply.sent_s
        )
        return replace(record, start_type=start, evidence={} if replicas is None else {"replicas": replicas})

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return what the function's log has by now."""
        return self._logs.read(deployment.effective["function"], set(request_ids))

    def force_cold(self, deployment: Deployment) -> None:
        """Replace the function by itself with another variable, and wait until a new replica answers."""
        name = deployment.effective["function"]
        if deployment.adopted:
            return super().force_cold(deployment)
        document, value = self._deployed[name], nonce()
        document["envVars"] = {**document["envVars"], NONCE: value}
        self.account.put(document, new=False)
        return self._wait(name, value)

    def search(self) -> Iterator[Resource]:
        """Yield every function with our annotations, the secret of ours that it has, and buckets of the storage.

        A secret carries nothing itself: without a function only the ledger knows it.
        """
        secrets: dict[str, Mapping[str, str]] = {}
        for status in self.account.functions():
            tags = status.get("annotations") or {}
            if are_ours(tags, self.name):
                yield resource(FUNCTION, str(status["name"]), tags)
                if named := str((status.get("envVars") or {}).get(SECRET, "")):
                    secrets[named] = tags
        for name, tags in secrets.items():
            yield resource(SECRET_RESOURCE, name, tags)
        yield from super().search()

    def _callback_sink(self) -> CallbackSink:
        if self._sink is None:
            self._sink = CallbackSink(self.settings.callback_url, HEADERS)
        return self._sink

    def _store_secret(self) -> dict[str, str]:
        """Return the variable that names the secret with the keys of storage and table; none where there is neither."""
        wanted = self.account.store_environment(self.shared_name)
        return {SECRET: self.shared(SECRET_RESOURCE)} if wanted else {}

    def _wait(self, name: str, value: str) -> None:
        """Wait until a replica with this variable answers: the gateway says available long before.

        Raises:
            DeployError: If none does in time.
        """
        url = f"{self.account.invoke_url(name)}?sebsx=ready"
        certificate = self.account.certificate

        def look() -> bool | None:
            return all(answers(url, value, certificate) for _ in range(_ANSWERS)) or None

        try:
            until(look, f"start of function {name!r}", within_s=self.settings.ready_s)
        except DeployError as exc:
            status = self.account.function(name) or {}
            available = functions.replicas_of(status, available=True)
            raise DeployError(
                f"{exc}; {available} of its replicas are available: can the provider pull its image and is its memory "
                "enough? (faas-cli logs, kubectl describe)"
            ) from exc

    def _scale(self, name: str, wanted: int) -> None:
        """Ask for replicas and wait until as many answer as the gateway allows, which it does not say."""
        status = self.account.function(name) or {}
        self.account.scale(name, wanted, str(status.get("namespace") or _DEFAULT_NAMESPACE))

        def look() -> int | None:
            seen = self.account.function(name) or {}
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
