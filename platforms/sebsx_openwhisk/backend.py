"""The platform `openwhisk`: actions of one namespace, on whatever server speaks its API."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sebsx.clouds.adopted import CHANGE, undo
from sebsx.clouds.fresh import function_name, nonce
from sebsx.clouds.made import delete_each
from sebsx.clouds.refusals import problems
from sebsx.clouds.registries import IMAGE as IMAGE_RESOURCE
from sebsx.clouds.registries import PushedImages, remove_image
from sebsx.clouds.rest import words_of
from sebsx.clouds.selfhosted import SelfHostedPlatform
from sebsx.clouds.tags import are_ours, resource
from sebsx.errors import UnsupportedError
from sebsx.model import Between, Deployment, OneOf, Problem, Severity, Status
from sebsx.model.options import MAX_INSTANCES, PACKAGE, SANDBOX_CONCURRENCY, TRIGGER
from sebsx.model.untrusted import UntrustedJsonError, parse_json
from sebsx_openwhisk import actions, activations
from sebsx_openwhisk.activations import BLOCKING, TRIGGERS, ActivationExchange
from sebsx_openwhisk.api import ADVICE, EXTRA, Whisk
from sebsx_openwhisk.existing import ACTION, NAME, NONCE, ExistingActions, read_name
from sebsx_openwhisk.limits import NamespaceLimits
from sebsx_openwhisk.settings import OpenWhiskSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption, FunctionConfig, Offers, Option, Package, ProviderRecord, Reply, Resource

_RECORDS_S = 5.0  # longest time of one look for records; the core looks again
_ONE_AT_A_TIME = "python"  # language whose runtime serves one activation at a time


class OpenWhiskPlatform(SelfHostedPlatform[OpenWhiskSettings]):
    """Actions in the default package of a namespace."""

    name = "openwhisk"
    summary = "Apache OpenWhisk: a server of your own, or a provider's with its API"
    extra = EXTRA
    Settings = OpenWhiskSettings
    options: ClassVar[tuple[Option, ...]] = (
        PACKAGE.offered(OneOf(actions.KINDS)),  # else a zip, and an image where that is too large
        TRIGGER.offered(OneOf(TRIGGERS), default=BLOCKING),
        SANDBOX_CONCURRENCY.offered(Between(1, 500), default=1),
        MAX_INSTANCES.offered(Between(0, math.inf), default=0),
    )
    memory_mib: ClassVar[Between | OneOf] = Between(128, 512)
    timeout_s: ClassVar[float] = 600.0  # the namespace may allow less, which `deploy` says
    init_timeout_s: ClassVar[float] = 60.0
    payload_bytes: ClassVar[int] = 1024 * 1024
    late_records: ClassVar[bool] = True

    def __init__(self, settings: OpenWhiskSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._whisk = Whisk(settings)
        self._existing = ExistingActions(self._whisk, context)
        self._limits = NamespaceLimits({})
        self._images = PushedImages(
            settings, context.ledger, base=settings.base_image, folder=actions.IN_IMAGE,
            instead="use --option package=zip",
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._limits = NamespaceLimits(self._whisk.limits())
        return super().__enter__()

    def credentials_advice(self) -> str:
        """Return where a key is found."""
        return ADVICE

    def check(self) -> Sequence[Problem]:
        """Ask for the limits of the namespace, which tells whether the key is good; say what they rule out."""
        told: list[Mapping[str, Any]] = []
        try:
            if found := [*problems(lambda: told.append(self._whisk.limits())), *self.store_problems()]:
                return found
        finally:
            self._close()
        limits = NamespaceLimits(*told)
        wanted = [self._kind(language) for language in ("python", "nodejs")]
        found = [
            Problem(
                f"the namespace does not allow the runtime {kind!r}",
                advice=f"name one of {', '.join(limits.kinds)} with --set {kind.partition(':')[0]}=...",
                severity=Severity.WARNING,
            )
            for kind in wanted
            if limits.kinds and kind not in limits.kinds
        ]
        if not limits.stores_activations:
            found.append(
                Problem(
                    "the namespace stores no activations",
                    advice="use --option trigger=blocking: without records an answer that is late is lost",
                    severity=Severity.WARNING,
                )
            )
        return found

    def offers(self, architecture: str) -> Offers:
        """Return memory up to what the settings say that the server allows."""
        return replace(super().offers(architecture), memory_mib=Between(128, self.settings.memory_max_mib))

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create an action and return it as the server reports it back."""
        options = {option.name: self.option(config, option.name) for option in self.options}
        self._limits.check(config, options)
        if options["sandbox_concurrency"] > 1 and package.target.language == _ONE_AT_A_TIME:
            raise UnsupportedError(
                "OpenWhisk's runtime for Python serves one activation of a container after the other"
            )
        name = function_name(config, NAME)
        executable, facts, code = self._executable(package, config, options["package"])
        document = actions.document_of(config, options, executable, self.context.tags)
        what = f"create of action {name!r}"
        with self.ledger.creating(ACTION, name) as creation:
            made = self._whisk.put(name, document, what)
            creation.provider_id = f"/{made.get('namespace', self.settings.namespace)}/{name}"
            told = self._whisk.action(name) or made
            effective = {**actions.effective_of(told), **facts, "function": name, "trigger": options["trigger"]}
            return Deployment(
                creation.provider_id,
                config,
                effective={"architecture": config.architecture, **effective},
                endpoint=self._whisk.url("actions", name),
                deployed_sha256=facts.get("image_digest", "").removeprefix("sha256:") or code,
            )

    def teardown(self, deployment: Deployment) -> None:
        """Delete the action; records of its activations stay with the server, as long as it keeps them."""
        delete_each(self.ledger, [(ACTION, deployment.effective["function"])], self._delete)

    def subject_of(self, address: str) -> str:
        """Return the name of an action with namespace and package, as far as it has them."""
        read_name(address)
        return address

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the user's action, a copy of it, or itself with other memory."""
        return self._existing.adopt(adoption)

    def release(self, deployment: Deployment) -> None:
        """Delete a copy, or put a change back; what was measured as it is stays as it is."""
        undo(deployment, self.ledger, delete=self.teardown, put_back=self._existing.put_back)

    def exchange(self, deployment: Deployment) -> ActivationExchange:
        """Return how an action is invoked: every answer is a record, with the result in it."""
        assert deployment.endpoint is not None
        return ActivationExchange(
            url=deployment.endpoint,
            activations=self._whisk.url("activations"),
            headers=self._whisk.headers,
            blocking=deployment.effective["trigger"] == BLOCKING,
            ours=not deployment.adopted,
            every_s=self.settings.poll_s,
        )

    def status_of(self, reply: Reply) -> Status:
        """Return how the activation ended by its record, else what the refusal means."""
        outcome = reply.headers.get(activations.OUTCOME_HEADER)
        return super().status_of(reply) if outcome is None else Status(outcome)

    def error_of(self, reply: Reply) -> str | None:
        """Return the server's words."""
        return words_of(reply.body) if reply.body else None

    def request_id_of(self, reply: Reply) -> str:
        """Return the id of the activation."""
        return reply.headers.get(activations.ID_HEADER, reply.request_id)

    def record_of(self, deployment: Deployment, reply: Reply) -> ProviderRecord | None:
        """Return what the record says that the result came in."""
        try:
            told = parse_json(reply.headers.get(activations.RECORD_HEADER, ""))
        except UntrustedJsonError:
            return None
        return activations.record_of(self.request_id_of(reply), told)

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return the records that the server has by now, as many as can be asked for in some seconds."""
        found: dict[str, ProviderRecord] = {}
        ends = time.monotonic() + _RECORDS_S
        for request_id in request_ids:
            if not request_id.isalnum():  # it was never accepted: the id is ours
                continue
            if time.monotonic() > ends:
                break
            if (activation := self._whisk.activation(request_id)) is not None:
                status = activations.outcome_of(activation, ours=not deployment.adopted)
                if (record := activations.record_of(request_id, activation, status)) is not None:
                    found[request_id] = record
        return found

    def force_cold(self, deployment: Deployment) -> None:
        """Update the action: containers belong to a version, and the next activation finds none of the new one."""
        name = deployment.effective["function"]
        if deployment.adopted:
            self._existing.end_containers(name)
            return
        annotations = actions.annotated({**self.context.tags, NONCE: nonce()})
        self._whisk.put(name, {"annotations": annotations}, f"update of action {name!r}")

    def orphans(self) -> Sequence[Resource]:
        """Return every action of the namespace with our tags, and buckets of the storage."""
        try:
            found = []
            for action in self._whisk.actions():
                tags = {key: str(value) for key, value in activations.annotations_of(action).items()}
                if are_ours(tags, self.name):
                    found.append(resource(ACTION, str(action["name"]), tags))
            return [*found, *self.store_orphans()]
        finally:
            if self._made is None:
                self._close()

    def _delete(self, kind: str, name: str) -> None:
        if kind == ACTION:
            self._whisk.delete(name)
        elif kind == CHANGE:
            self._existing.put_back(name)
        elif kind == IMAGE_RESOURCE:
            remove_image(name)
        else:
            super()._delete(kind, name)

    def _close(self) -> None:
        self._whisk.close()
        super()._close()

    def _kind(self, language: str) -> str:
        return f"{language}:{getattr(self.settings, language)}"

    def _executable(
        self, package: Package, config: FunctionConfig, wanted: str | None
    ) -> tuple[dict[str, Any], dict[str, str], str]:
        """Return the code of an action, facts of its image if it has one, and the digest of its zip.

        Raises:
            UnsupportedError: If a zip is wanted and too large, or an image and there is no registry.
        """
        variables = {
            **config.environment,
            **self.store_environment(),
            "SEBSX_MEMORY_MIB": str(config.memory_mib),
            "SEBSX_TIMEOUT_S": repr(config.timeout_s),
        }
        code = actions.bundle(package, variables, with_package=wanted != actions.IMAGE)
        if wanted == actions.IMAGE or (wanted is None and actions.is_large(code, self.settings.code_max_mib)):
            name, digest = self._images.of(package)
            code = actions.bundle(package, variables, with_package=False)
            return actions.exec_of(name, code), {"image_digest": digest}, ""
        actions.check_size(code, package, self.settings.code_max_mib)
        return actions.exec_of(self._kind(package.target.language), code), {}, hashlib.sha256(code).hexdigest()
