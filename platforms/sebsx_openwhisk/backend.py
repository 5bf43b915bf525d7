"""The platform `openwhisk`: actions of one namespace, on whatever server speaks its API."""

from __future__ import annotations

import hashlib
import math
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.clouds.accounts import ResourceKind
from sebsx.clouds.fresh import NONCE, function_name, nonce
from sebsx.clouds.images import base_of
from sebsx.clouds.refusals import problems
from sebsx.clouds.registries import IMAGES, PushedImages
from sebsx.clouds.rest import words_of
from sebsx.clouds.selfhosted import STORES, SelfHostedPlatform
from sebsx.errors import UnsupportedError
from sebsx.model import Between, Deployment, OneOf, Problem, Severity, Status
from sebsx.model.options import MAX_INSTANCES, PACKAGE, SANDBOX_CONCURRENCY, TRIGGER
from sebsx.model.untrusted import UntrustedJsonError, parse_json
from sebsx_openwhisk import actions, activations
from sebsx_openwhisk.activations import BLOCKING, TRIGGERS, ActivationExchange
from sebsx_openwhisk.api import ADVICE, EXTRA, Whisk
from sebsx_openwhisk.existing import ACTION, NAME, ExistingActions, read_name
from sebsx_openwhisk.limits import NamespaceLimits
from sebsx_openwhisk.settings import OpenWhiskSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import FunctionConfig, Offers, Option, Package, ProviderRecord, Reply, Scalar, Target

_RECORDS_S = 5.0  # longest time of one look for records; the core looks again
_ONE_AT_A_TIME = "python"  # language whose runtime serves one activation at a time


def _actions(whisk: Whisk) -> Iterator[tuple[str, dict[str, str]]]:
    for action in whisk.actions():
        yield str(action["name"]), {key: str(value) for key, value in activations.annotations_of(action).items()}


class OpenWhiskPlatform(SelfHostedPlatform[OpenWhiskSettings, Whisk]):
    """Actions in the default package of a namespace."""

    name = "openwhisk"
    summary = "Apache OpenWhisk: a server of your own, or a provider's with its API"
    extra = EXTRA
    Settings = OpenWhiskSettings
    Account = Whisk
    kinds: ClassVar[Mapping[str, ResourceKind[Any]]] = {
        ACTION: ResourceKind(delete=Whisk.delete, found=_actions), **IMAGES, **STORES,
    }  # fmt: skip
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
        self._images = PushedImages(
            settings, context.ledger, base=settings.base_image, folder=actions.IN_IMAGE,
            instead="use --option package=zip",
        )  # fmt: skip

    def credentials_advice(self) -> str:
        """Return where a key is found."""
        return ADVICE

    def check(self) -> Sequence[Problem]:
        """Ask for the limits of the namespace, which tells whether the key is good; say what they rule out."""
        with closing(self.account):
            if found := [*problems(self.account.prove), *self.account.store_problems()]:
                return found
        limits = NamespaceLimits(self.account.allowed)
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

    def base_image(self, target: Target, options: Mapping[str, Scalar]) -> str:
        """Return the image that packages of kind `image` are built from."""
        if options.get("package") != actions.IMAGE:
            return ""
        return base_of(self.settings.base_image, target)

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create an action and return it as the server reports it back."""
        options, whisk = self.chosen(config), self.account
        NamespaceLimits(whisk.allowed).check(config, options)
        if options["sandbox_concurrency"] > 1 and package.target.language == _ONE_AT_A_TIME:
            raise UnsupportedError(
                "OpenWhisk's runtime for Python serves one activation of a container after the other"
            )
        name = function_name(config, NAME)
        executable, facts, code = self._executable(package, config, options["package"])
        document = actions.document_of(config, options, executable, self.context.tags)
        what = f"create of action {name!r}"
        with self.ledger.creating(ACTION, name) as creation:
            made = whisk.put(name, document, what)
            creation.provider_id = f"/{made.get('namespace', self.settings.namespace)}/{name}"
            told = whisk.action(name) or made
            effective = {**actions.effective_of(told), **facts, "function": name, "trigger": options["trigger"]}
            return Deployment(
                creation.provider_id,
                config,
                effective={"architecture": config.architecture, **effective},
                endpoint=whisk.url("actions", name),
                deployed_sha256=facts.get("image_digest", "").removeprefix("sha256:") or code,
            )

    def teardown(self, deployment: Deployment) -> None:
        """Delete the action; records of its activations stay with the server, as long as it keeps them."""
        self.delete((ACTION, deployment.effective["function"]))

    def subject_of(self, address: str) -> str:
        """Return the name of an action with namespace and package, as far as it has them."""
        read_name(address)
        return address

    def existing(self, account: Whisk) -> ExistingActions:
        """Return the user's actions on a server."""
        return ExistingActions(account, self.context)

    def exchange(self, deployment: Deployment) -> ActivationExchange:
        """Return how an action is invoked: every answer is a record, with the result in it."""
        assert deployment.endpoint is not None
        return ActivationExchange(
            url=deployment.endpoint,
            activations=self.account.url("activations"),
            headers=self.account.headers,
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
            if (activation := self.account.activation(request_id)) is not None:
                status = activations.outcome_of(activation, ours=not deployment.adopted)
                if (record := activations.record_of(request_id, activation, status)) is not None:
                    found[request_id] = record
        return found

    def force_cold(self, deployment: Deployment) -> None:
        """Update the action: containers belong to a version, and the next activation finds none of the new one."""
        if deployment.adopted:
            return super().force_cold(deployment)
        name = deployment.effective["function"]
        annotations = actions.annotated({**self.context.tags, NONCE: nonce()})
        self.account.put(name, {"annotations": annotations}, f"update of action {name!r}")
        return None

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
            **self.account.store_environment(self.shared_name),
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
