"""The platforms `aws` and `aws-arm`: Lambda on either architecture, one implementation."""

from __future__ import annotations

import base64
import dataclasses
import math
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from sebsx.clouds.accounts import AccountPlatform
from sebsx.clouds.fresh import function_name
from sebsx.clouds.images import base_of
from sebsx.clouds.refusals import problems
from sebsx.clouds.s3 import S3Storage
from sebsx.clouds.shipped import Shipped
from sebsx.errors import UnsupportedError
from sebsx.model import Between, Deployment, OneOf, Option, Status
from sebsx.model.options import EPHEMERAL_MIB, MAX_INSTANCES, MIN_INSTANCES, PACKAGE, TRIGGER
from sebsx_aws import loglines
from sebsx_aws.clients import Clients
from sebsx_aws.errors import CREDENTIALS, ERRORS, without_account
from sebsx_aws.existing import ExistingLambdas, read_name
from sebsx_aws.functions import NAME, Functions
from sebsx_aws.images import LambdaImages, image_facts
from sebsx_aws.loglines import said
from sebsx_aws.packages import UNZIPPED_BYTES, deployed_digest, handed_over
from sebsx_aws.reports import LogReports, SandboxReports, log_group, make_log_group
from sebsx_aws.resources import BUCKET, FUNCTION, KINDS, LOG_GROUP, QUEUE, ROLE, tagged
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
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.contracts.prices import Billing
    from sebsx.model import (
        FunctionConfig,
        Package,
        Problem,
        ProviderRecord,
        Provision,
        Reply,
        Resource,
        Scalar,
        Target,
    )

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
_TAIL_HEADER = "x-amz-log-result"
_KIND_HEADER = "x-amzn-errortype"
_REFUSED = (401, 403)


class AwsPlatform(AccountPlatform[AwsSettings, Clients]):
    """Lambda on x86."""

    name = "aws"
    also_called = ("lambda", "aws-lambda", "amazon")
    summary = "AWS Lambda on x86"
    extra = "aws"
    provider = "aws"
    Settings = AwsSettings
    Account = Clients
    kinds = KINDS
    ships = Shipped(
        package="sebsx_aws", entries={"python": "sebsx_wrapper_lambda.py", "nodejs": "sebsx_wrapper_lambda.mjs"}
    )
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
    zip_bytes: ClassVar[int | None] = UNZIPPED_BYTES

    def __init__(self, settings: AwsSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._functions = Functions(self.account, settings)
        self._images = LambdaImages(self.account, context.ledger, settings.base_image)
        self._reports = LogReports(self.account, settings.log_format)
        self._sandboxes: dict[str, SandboxReports] = {}  # by the format of the log

    def check(self) -> Sequence[Problem]:
        """Ask AWS who we are, the cheapest question that tells whether credentials are good."""

        def ask() -> None:
            with ERRORS.explained("check of credentials"):
                self.account.sts.get_caller_identity()

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
        found = super().target(language, architecture)
        old = language == "python" and tuple(map(int, found.version.split("."))) < _NEW_GLIBC
        return dataclasses.replace(found, binaries="manylinux2014") if old else found

    def base_image(self, target: Target, options: Mapping[str, Scalar]) -> str:
        """Return the image that packages of kind `image` are built from."""
        if options.get("package") != "image":
            return ""
        return base_of(self.settings.base_image, target)

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Create a function and return it as Lambda reports it back."""
        options, shared = self.chosen(config), self.shared_name
        if options["snapstart"] and (language := package.target.language) != "python":
            raise UnsupportedError(f"Lambda has no SnapStart for {language!r}; use --option snapstart=false")
        name = function_name(config, NAME)
        role = self.settings.role or self.shared(ROLE)
        code, runtime = handed_over(
            package, options["package"], self.settings, self.account, self._images, self.shared
        )  # fmt: skip
        make_log_group(self.account, self.context, name)
        with self.ledger.creating(FUNCTION, name, self.account.region) as creation:
            environment = {
                "SEBSX_TIMEOUT_S": repr(config.timeout_s), "SEBSX_BUCKET": shared, "SEBSX_TABLE": shared,
            }  # fmt: skip
            arn = self._functions.create(name, config, code, runtime, role, environment, self.context.tags, options)
            creation.provider_id = without_account(arn)
            return self._deployment(name, arn, config, options["trigger"])

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Tell whether a word is an ARN; either architecture is measured here."""
        return address.startswith("arn:")

    @classmethod
    def settings_in(cls, address: str) -> Mapping[str, str]:
        """Return the region of an ARN."""
        region = read_name(address).region
        return {"region": region} if region else {}

    def subject_of(self, address: str) -> str:
        """Return name and qualifier of a function, without the account."""
        return read_name(address).subject

    def existing(self, account: Clients) -> ExistingLambdas:
        """Return the user's functions in an account and region."""
        own = self._functions if account is self.account else Functions(account, self.settings)
        return ExistingLambdas(account, own, self.context, self.shared)

    def teardown(self, deployment: Deployment) -> None:
        """Delete the function with its versions and URL, and its log group, unless records are still to come there.

        That group is then for `sebsx records`, and goes with `sebsx clean`; AWS empties it after a day.
        """
        name = deployment.effective["function"]
        logs = [] if self._reports.end(name) else [(LOG_GROUP, log_group(name))]
        self.delete((FUNCTION, name), *logs)

    def proof(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return headers that Lambda takes for five minutes, made from credentials as they are now."""
        assert deployment.endpoint is not None
        return headers_for(deployment.effective["trigger"], self.account, deployment.endpoint, payload)

    def denial(self, reply: Reply) -> str | None:
        """Return AWS's words for credentials that it takes no more."""
        kind = reply.headers.get(_KIND_HEADER, "").partition(":")[0]
        denied = reply.http_status in _REFUSED and kind in CREDENTIALS
        return f"{self.error_of(reply)}; log in again (aws sso login)" if denied else None

    def exchange(self, deployment: Deployment) -> EventExchange | None:
        """Return how an asynchronous invocation is sent and where its result arrives; others are one request."""
        if deployment.effective["trigger"] != ASYNC:
            return None
        assert deployment.endpoint is not None
        clients = self.account
        queue = ResultQueue(
            endpoint=clients.sqs.meta.endpoint_url,
            queue=self.shared(QUEUE),
            region=clients.region,
            credentials=clients.credentials(),
        )
        return EventExchange(url=deployment.endpoint, queue=queue)

    def status_of(self, reply: Reply) -> Status:
        """Return what Lambda's answer means."""
        status = super().status_of(reply)
        if ERROR_HEADER in reply.headers:
            return loglines.error_status(reply.body)
        # Of a URL; which error it was, the log tells.
        of_function = reply.http_status == 502 and not reply.headers.get(_KIND_HEADER)
        return Status.FUNCTION_ERROR if of_function else status

    def error_of(self, reply: Reply) -> str | None:
        """Return AWS's words for a refusal, without the number of the account."""
        kind = reply.headers.get(_KIND_HEADER, "").partition(":")[0]
        return ERRORS.clean(": ".join(filter(None, (kind, said(reply.body)[1])))) or None

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

    def storage(self) -> S3Storage:
        """Return the run's bucket."""
        return S3Storage(self.account.s3, self.shared(BUCKET), ERRORS.explained)

    def search(self) -> Iterator[Resource]:
        """Yield everything in account and region with our tags."""
        return tagged(self.account, self.name)

    @property
    def region(self) -> str:
        """The region of the settings, the environment or the profile; empty where none is known yet."""
        return self.account.known_region

    def billing(self, options: Mapping[str, Scalar]) -> Billing:
        """Return what decides prices beside the region: snapshots, and sandboxes that are kept ready."""
        billing = super().billing(options)
        scheme, restores = "provisioned" if billing.ready else "", bool(options.get("snapstart"))
        return dataclasses.replace(billing, scheme=scheme, restores=restores)

    def _sandboxes_of(self, deployment: Deployment) -> SandboxReports:
        log_format = str(deployment.effective.get("log_format") or "text").lower()
        return self._sandboxes.setdefault(log_format, SandboxReports(self.account, log_format))

    def _deployment(self, name: str, arn: str, config: FunctionConfig, trigger: str) -> Deployment:
        qualifier = self._functions.qualifier_of(name)
        queue = partial(self.shared, QUEUE)
        endpoint = endpoint_for(trigger, self.account, self._functions, queue, name, qualifier)
        effective = {**self._functions.effective(name), "function": name, "trigger": trigger}
        if effective["package"] == "image":
            effective |= image_facts(self.account, name)
        return Deployment(
            without_account(arn),
            config,
            effective=effective,
            endpoint=endpoint,
            headers={},
            region=self.account.region,
            deployed_sha256=deployed_digest(effective),
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
