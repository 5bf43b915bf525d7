"""The platforms `aws` and `aws-arm`: Lambda on either architecture, one implementation."""

from __future__ import annotations

import base64
import dataclasses
import math
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from sebsx.clouds import shipped
from sebsx.clouds.adopted import CHANGE, undo
from sebsx.clouds.fresh import NONCE, function_name, nonce
from sebsx.clouds.made import delete_each, end
from sebsx.clouds.refusals import problems
from sebsx.clouds.s3 import S3Storage, create_once
from sebsx.clouds.tags import check_ours, in_region
from sebsx.clouds.targets import target_of
from sebsx.contracts.platforms import Platform
from sebsx.errors import CredentialsError, PlatformError, UnsupportedError
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
    Status,
    Target,
)
from sebsx.model.options import EPHEMERAL_MIB, MAX_INSTANCES, MIN_INSTANCES, PACKAGE, TRIGGER
from sebsx_aws import loglines, resources
from sebsx_aws.clients import CREDENTIALS, Clients, clean, explained, without_account
from sebsx_aws.existing import ExistingLambdas, put_back, read_name
from sebsx_aws.functions import NAME, Functions
from sebsx_aws.images import image_facts
from sebsx_aws.loglines import said
from sebsx_aws.packages import deployed_digest, handed_over
from sebsx_aws.reports import LogReports, SandboxReports, log_group
from sebsx_aws.settings import AwsSettings
from sebsx_aws.triggers import (
    ASYNC,
    ERROR_HEADER,
    REQUEST_HEADER,
    SDK,
    TRIGGERS,
    EventExchange,
    ResultQueue,
    endpoint_for,
    headers_for,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.contracts.prices import Billing
    from sebsx.contracts.storage import Storage
    from sebsx.model import Manifest, Provision, Scalar

# glibc of the managed runtimes: 2.26 up to Python 3.11, 2.34 from 3.12 (Amazon Linux 2 and 2023).
_NEW_GLIBC = (3, 12)
# Developer guide, "Lambda SnapStart": Python from 3.12 on.
_WITHOUT_SNAPSTART = ("3.10", "3.11")
_SNAPSTART = Option(
    name="snapstart",
    kind=bool,
    help="start from a snapshot of a published version",
    offer=OneOf((False, True)),
    default=False,
)
_WRAPPERS = {"python": "sebsx_wrapper_lambda.py", "nodejs": "sebsx_wrapper_lambda.mjs"}
_TAIL_HEADER = "x-amz-log-result"
_KIND_HEADER = "x-amzn-errortype"
_REFUSED = (401, 403)


class AwsPlatform(Platform[AwsSettings]):
    """Lambda on x86."""

    name = "aws"
    also_called = ("lambda", "aws-lambda", "amazon")
    summary = "AWS Lambda on x86"
    extra = "aws"
    provider = "aws"
    Settings = AwsSettings
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.FORCE_COLD, Capability.RECORDS, Capability.STORAGE, Capability.TABLE,
            Capability.ADOPT, Capability.CHANGE,
        }
    )  # fmt: skip
    architectures: ClassVar[tuple[str, ...]] = ("x86_64",)
    options: ClassVar[tuple[Option, ...]] = (
        EPHEMERAL_MIB.offered(Between(512, 10240), default=512),
        PACKAGE.offered(OneOf(("zip", "image"))),  # else a zip, and an image where that is too large
        MIN_INSTANCES.offered(Between(0, math.inf), default=0),  # provisioned concurrency
        MAX_INSTANCES.offered(Between(0, math.inf), default=0),  # reserved concurrency
        TRIGGER.offered(OneOf(TRIGGERS), default=SDK),
        _SNAPSTART,
    )
    memory_mib: ClassVar[Between | OneOf] = Between(128, 10240)
    timeout_s: ClassVar[float] = 900.0
    # Developer guide, "Lambda execution environment lifecycle": one that takes longer is repeated within the time-out.
    init_timeout_s: ClassVar[float] = 10.0
    late_records: ClassVar[bool] = True

    def __init__(self, settings: AwsSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._clients = Clients(settings)
        self._functions = Functions(self._clients, settings)
        self._resources: resources.Resources | None = None
        self._existing: ExistingLambdas | None = None
        self._reports = LogReports(self._clients, settings.log_format)
        self._sandboxes: dict[str, SandboxReports] = {}  # by the format of the log
        self._refusal: CredentialsError | None = None

    def __enter__(self) -> Self:
        self._clients.credentials()
        self._refusal = None
        self._resources = resources.Resources(self._clients, self.context)
        return self

    def __exit__(self, *_exc: object) -> None:
        made, self._resources, self._existing = self._resources, None, None
        end(made, self._clients)

    def check(self) -> Sequence[Problem]:
        """Ask AWS who we are, the cheapest question that tells whether credentials are good."""

        def ask() -> None:
            with explained("check of credentials"):
                self._clients.sts.get_caller_identity()

        return problems(ask)

    def provision(self, memory_mib: int, options: Mapping[str, Scalar], architecture: str) -> Provision:
        """Refuse what SnapStart does not go with, beside what is not offered."""
        found = super().provision(memory_mib, options, architecture)
        asked = {option.name: option.default for option in self.options} | dict(options)
        if not asked["snapstart"]:
            return found
        if asked["min_instances"]:
            return found.refused("snapstart and min_instances exclude each other on Lambda")
        if asked["ephemeral_mib"] != 512 or asked["package"] == "image":
            return found.refused("snapstart needs a zip package and ephemeral_mib of 512")
        if self.settings.python in _WITHOUT_SNAPSTART:
            return found.refused("snapstart needs python 3.12 or later")
        return found

    def target(self, language: str, architecture: str) -> Target:
        """Return the managed runtime that the settings name."""
        found = target_of(self, language, architecture)
        old = language == "python" and tuple(map(int, found.version.split("."))) < _NEW_GLIBC
        return dataclasses.replace(found, binaries="manylinux2014") if old else found

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create a function and return it as Lambda reports it back."""
        options = {option.name: self.option(config, option.name) for option in self.options}
        if options["snapstart"] and (language := package.target.language) != "python":
            raise UnsupportedError(f"Lambda has no SnapStart for {language!r}; use --option snapstart=false")
        name = function_name(config, NAME)
        made = self._opened
        role = self.settings.role or made.role()
        code, runtime = handed_over(package, options["package"], self.settings, self._clients, made)
        self._make_log_group(name)
        with self.ledger.creating("function", name, self._clients.region) as creation:
            environment = {
                "SEBSX_TIMEOUT_S": repr(config.timeout_s),
                "SEBSX_BUCKET": made.name,
                "SEBSX_TABLE": made.name,
            }
            arn = self._functions.create(name, config, code, runtime, role, environment, self.context.tags, options)
            creation.provider_id = without_account(arn)
            return self._deployment(name, arn, config, options["trigger"])

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Tell whether a word is an ARN; either architecture is measured here."""
        return address.startswith("arn:")

    def subject_of(self, address: str) -> str:
        """Return name and qualifier of a function, without the account."""
        return read_name(address).subject

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the user's function, a copy of it, or itself with other memory."""
        bucket = self._opened.bucket
        if self._existing is None:
            log_group = self._make_log_group
            self._existing = ExistingLambdas(self._clients, self.settings, self.context, log_group, bucket)
        return self._existing.adopt(adoption)

    def release(self, deployment: Deployment) -> None:
        """Delete a copy, or put a change back; what was measured as it is stays as it is."""
        undo(deployment, self.ledger, delete=self.teardown, put_back=partial(put_back, self._clients, self.settings))

    def teardown(self, deployment: Deployment) -> None:
        """Delete the function with its versions and URL, and its log group, unless records are still to come there.

        That group is then for `sebsx records`, and goes with `sebsx clean`; AWS empties it after a day.
        """
        name = deployment.effective["function"]
        ended = [("function", name)]
        if not self._reports.end(name):
            ended.append(("log-group", log_group(name)))
        delete_each(self.ledger, ended, partial(resources.delete, self._clients))

    def signed(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return headers that Lambda takes for five minutes, made from credentials as they are now."""
        assert deployment.endpoint is not None
        if self._refusal is not None:
            raise self._refusal
        return headers_for(deployment.effective["trigger"], self._clients, deployment.endpoint, payload)

    def exchange(self, deployment: Deployment) -> EventExchange | None:
        """Return how an asynchronous invocation is sent and where its result arrives; others are one request."""
        if deployment.effective["trigger"] != ASYNC:
            return None
        assert deployment.endpoint is not None
        clients = self._clients
        queue = ResultQueue(
            endpoint=clients.sqs.meta.endpoint_url,
            queue=self._opened.queue(),
            region=clients.region,
            credentials=clients.credentials(),
        )
        return EventExchange(url=deployment.endpoint, queue=queue)

    def status_of(self, reply: Reply) -> Status:
        """Return what Lambda's answer means."""
        if reply.http_status in _REFUSED:
            self._refused(reply)
        if ERROR_HEADER in reply.headers:
            return loglines.error_status(reply.body)
        if reply.http_status == 502 and not reply.headers.get(_KIND_HEADER):
            return Status.FUNCTION_ERROR  # of a URL; which one, the log tells
        return super().status_of(reply)

    def error_of(self, reply: Reply) -> str | None:
        """Return AWS's words for a refusal, without the number of the account."""
        kind = reply.headers.get(_KIND_HEADER, "").partition(":")[0]
        return clean(": ".join(filter(None, (kind, said(reply.body)[1])))) or None

    def request_id_of(self, reply: Reply) -> str:
        """Return the id that Lambda gave the invocation."""
        return reply.headers.get(REQUEST_HEADER, reply.request_id)

    def record_of(self, deployment: Deployment, reply: Reply) -> ProviderRecord | None:
        """Return the record in the log tail that came with the answer."""
        return loglines.read_log(_tail(reply).splitlines()).get(self.request_id_of(reply))

    def output_of(self, deployment: Deployment, reply: Reply) -> str:
        """Return the log tail that came with the answer: the last 4 KB, Lambda's own lines among them."""
        return _tail(reply)

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return what CloudWatch has by now."""
        if deployment.adopted:
            return self._sandboxes_of(deployment).read(deployment.effective["log_group"], set(request_ids))
        return self._reports.read(deployment.effective["function"], set(request_ids))

    def names_sandboxes(self, deployment: Deployment) -> bool:
        """Tell whether this is a function of the user's whose log can be read: its streams are the sandboxes."""
        return deployment.adopted and "log_group" in deployment.effective

    def force_cold(self, deployment: Deployment) -> None:
        """Change a variable, which ends idle sandboxes; a new version where invocations go to one."""
        name = deployment.effective["function"]
        variables = {**self._functions.environment(name), NONCE: nonce()}
        self._functions.update(name, Environment={"Variables": variables})

    def storage(self) -> Storage:
        """Return the run's bucket."""
        return S3Storage(self._clients.s3, self._opened.bucket(), explained)

    def table(self) -> None:
        """Make the run's table."""
        self._opened.table()

    def wrapper_files(self, language: str) -> Mapping[str, bytes]:
        """Return the clients of storage and table."""
        return shipped.wrapper_files(language)

    def layout(self, package: Manifest, target: Target) -> Mapping[str, bytes]:
        """Return what Lambda's runtime client calls."""
        return shipped.own_files("sebsx_aws", _WRAPPERS[target.language])

    def orphans(self) -> Sequence[Resource]:
        """Return everything in the account and region with our tags."""
        with closing(self._clients):
            return list(resources.tagged(self._clients, self.name))

    def remove(self, resource: Resource) -> None:
        """Delete one resource; one whose tags are known and not ours is refused."""
        check_ours(resource, self.name)
        with closing(Clients(in_region(self.settings, resource))) as clients:
            if resource.kind == CHANGE:
                put_back(clients, self.settings, resource.name)
            else:
                resources.delete(clients, resource.kind, resource.name)

    @property
    def region(self) -> str:
        """The region of the settings, the environment or the profile; empty where none is known yet."""
        return self._clients.known_region

    def billing(self, options: Mapping[str, Scalar]) -> Billing:
        """Return what decides prices beside the region: snapshots, and sandboxes that are kept ready."""
        billing = super().billing(options)
        scheme, restores = "provisioned" if billing.ready else "", bool(options.get("snapstart"))
        return dataclasses.replace(billing, scheme=scheme, restores=restores)

    @property
    def _opened(self) -> resources.Resources:
        if self._resources is None:
            raise PlatformError(f"platform {self.name!r} is not open; use it in a `with` block")
        return self._resources

    def _sandboxes_of(self, deployment: Deployment) -> SandboxReports:
        log_format = str(deployment.effective.get("log_format") or "text").lower()
        return self._sandboxes.setdefault(log_format, SandboxReports(self._clients, log_format))

    def _make_log_group(self, function: str) -> None:
        """Make the log group of a function, which Lambda would make without our tags and keep for ever."""
        group = log_group(function)
        with (
            self.ledger.creating("log-group", group, self._clients.region),
            explained(f"create of log group {group!r}"),
        ):
            create = partial(self._clients.logs.create_log_group, logGroupName=group, tags=self.context.tags)
            create_once(create, "ResourceAlreadyExistsException")
            self._clients.logs.put_retention_policy(logGroupName=group, retentionInDays=1)

    def _deployment(self, name: str, arn: str, config: FunctionConfig, trigger: str) -> Deployment:
        qualifier = self._functions.qualifier_of(name)
        endpoint = endpoint_for(trigger, self._clients, self._functions, self._opened, name, qualifier)
        effective = {**self._functions.effective(name), "function": name, "trigger": trigger}
        if effective["package"] == "image":
            effective |= image_facts(self._clients, name)
        return Deployment(
            without_account(arn),
            config,
            effective=effective,
            endpoint=endpoint,
            headers={},
            region=self._clients.region,
            deployed_sha256=deployed_digest(effective),
        )

    def _refused(self, reply: Reply) -> None:
        """Remember that AWS takes the credentials no more: what was sent is stored, then the run ends."""
        kind = reply.headers.get(_KIND_HEADER, "").partition(":")[0]
        if kind in CREDENTIALS:
            self._refusal = CredentialsError(
                f"invocations are refused: {self.error_of(reply)}; log in again (aws sso login)"
            )


class AwsArmPlatform(AwsPlatform):
    """Lambda on ARM."""

    name = "aws-arm"
    summary = "AWS Lambda on ARM (Graviton)"
    architectures: ClassVar[tuple[str, ...]] = ("arm64",)

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Leave ARNs to the other one, which measures both architectures."""
        return False


def _tail(reply: Reply) -> str:
    """Return the end of the log that came with an answer; empty where none did."""
    try:
        return base64.b64decode(reply.headers.get(_TAIL_HEADER, "")).decode("utf-8", "replace")
    except ValueError:  # not base64, or not even ASCII
        return ""
