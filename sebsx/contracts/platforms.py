"""The contract of a platform: where functions run.

A platform needs three methods, `target`, `deploy` and `teardown`; everything else is optional. The core sends and
times HTTP itself, so that all providers are measured at the same points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from sebsx.contracts.prices import Billing
from sebsx.errors import UnsupportedError, UserError
from sebsx.model import Between, Capability, Offers, OneOf, Option, ProviderRecord, Reply, Status
from sebsx.model.offers import fit
from sebsx.settings import NoSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sebsx.contracts.languages import Language
    from sebsx.contracts.ledger import Ledger
    from sebsx.contracts.naming import NamingRule
    from sebsx.contracts.prices import Prices
    from sebsx.contracts.senders import Exchange
    from sebsx.contracts.storage import Storage
    from sebsx.model import (
        Adoption,
        Deployment,
        FunctionConfig,
        Manifest,
        Package,
        Problem,
        Provision,
        Resource,
        Scalar,
        Target,
    )

S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class PlatformContext:
    """All that a platform is given of the run it belongs to, made by the core before the platform is.

    Args:
        run_id: The run, a ULID; the same when it is resumed. Empty where nothing is run: planning, checks, clean-up.
        platform: Name of the platform.
        workdir: Private folder, on this machine, that lasts as long as this process of the run; not made yet.
        tags: Put on everything that is created: run, platform, owner, expiry (`sebsx.clouds.tags`). Empty for none.
        expires_at: When anybody may delete what is left, aware.
        ledger: Where everything is written down before it is created.
        languages: Returns a language by its name; raises `UnsupportedError` where nobody registered it.
        prices: What invocations cost; for a platform that knows more of its costs than its records say.
        attempt: Tells processes of one run apart; empty for the first.
    """

    run_id: str
    platform: str
    workdir: Path
    tags: Mapping[str, str]
    expires_at: datetime
    ledger: Ledger
    languages: Callable[[str], Language]
    prices: Prices
    attempt: str = ""

    def name(self, kind: str, rule: NamingRule) -> str:
        """Return the name of a resource as a provider takes it.

        The same each time, and no other run, platform, kind or attempt has it: a provider may go on refusing a name
        that a killed process of this run took.

        Args:
            kind: What is named, in lower case: `bucket`, `role`.
            rule: Of the provider for that kind.
        """
        words = ("sebsx", self.run_id.lower() or "none", self.platform, kind, self.attempt)
        return rule.fit("-".join(filter(None, words)))


class Platform(ABC, Generic[S]):
    """A place where functions run.

    Instances are made once per run, complete, opened with `with`, and used from one thread. `__init__` does no I/O.

    Args:
        settings: An instance of `Settings`.
        context: The run, and what it lends.

    Class attributes:
        name: What a user types, kebab-case.
        summary: One line for `sebsx list platforms`.
        also_called: Other words that people type for it, in lower case; whoever types one is told the name.
        default: Whether a run that names no platform means this one.
        extra: Extra of the distribution that brings the SDK, None if nothing more is needed.
        Settings: Frozen dataclass, see `sebsx.settings`.
        capabilities: What it can do beyond deploy and teardown.
        deploys: Whether functions can be deployed there; one that only takes what exists (`adopt`) refuses, and its
            memory sizes and architectures mean nothing.
        architectures: Those it offers, the default first.
        memory_mib: Memory that can be provisioned: any size between two, or some sizes. A request is rounded up.
        options: What else can be chosen for a function (`sebsx.model.options` has the well-known ones).
        timeout_s: Longest time-out that can be asked for.
        timeout_margin_s: How much longer than a function's time-out its answer is waited for, so that what the platform
            says of it is heard; 0 where the client alone ends a call.
        init_timeout_s: Longest initialisation that can be billed beside an invocation; for bounds of cost.
        payload_bytes: Largest request body.
        zip_bytes: Most that a package may hold, unpacked, to be taken as a zip file where larger ones go as container
            images; None where no package does. For plans.
        late_records: Whether `records` come long after the invocations, and outlive the function for a while: they are
            then asked for at the end, until the run's deadline, and later by `sebsx records`.
        provider: Whose price list says what invocations cost; empty where none does.
        one_at_a_time: Whether calls cannot be in flight together, such as where `invoke` is its own. Bursts, several
            users and open loops are then unsupported cells.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    also_called: ClassVar[tuple[str, ...]] = ()
    default: ClassVar[bool] = False
    extra: ClassVar[str | None] = None
    Settings: ClassVar[type[Any]] = NoSettings
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    deploys: ClassVar[bool] = True
    architectures: ClassVar[tuple[str, ...]] = ("x86_64",)
    memory_mib: ClassVar[Between | OneOf] = Between(128, 10240)
    options: ClassVar[tuple[Option, ...]] = ()
    timeout_s: ClassVar[float] = 900.0
    timeout_margin_s: ClassVar[float] = 30.0
    init_timeout_s: ClassVar[float] = 10.0
    payload_bytes: ClassVar[int] = 6 * 1024 * 1024
    zip_bytes: ClassVar[int | None] = None
    late_records: ClassVar[bool] = False
    provider: ClassVar[str] = ""
    one_at_a_time: bool = False

    def __init__(self, settings: S, context: PlatformContext) -> None:
        self.settings = settings
        self.context = context

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        return None

    @property
    def workdir(self) -> Path:
        """The private folder of this process of the run; see `PlatformContext`."""
        return self.context.workdir

    @property
    def ledger(self) -> Ledger:
        """Where everything is written down before it is created."""
        return self.context.ledger

    def language(self, name: str) -> Language:
        """Return a language as plugins registered it: how it is packaged and started.

        Raises:
            UnsupportedError: If nobody registered it.
        """
        return self.context.languages(name)

    def check(self) -> Sequence[Problem]:
        """Return what stands in the way: credentials, tools, quota. Cheap and read-only; works unopened."""
        return ()

    def caveats(self) -> Sequence[Problem]:
        """Return what figures from here will not tell, whatever is measured: `plan`, `run` and `doctor` say it.

        Looks at this machine alone: no network, no credentials. Works unopened and touches nothing.
        """
        return ()

    def offers(self, architecture: str) -> Offers:
        """Return what a function can be given; where settings or architecture change that, override it.

        Works unopened and touches nothing.
        """
        return Offers(memory_mib=self.memory_mib, options=self.options)

    def provision(self, memory_mib: int, options: Mapping[str, Scalar], architecture: str) -> Provision:
        """Return what a function is given for what is asked, each part rounded up to the nearest offer.

        Override it to refuse parts that do not go together: `super().provision(...).refused(reason)`. Works unopened
        and touches nothing.
        """
        return fit(self.offers(architecture), memory_mib, options, f"platform {self.name!r}")

    def offered(self, config: FunctionConfig) -> FunctionConfig:
        """Return a configuration with memory and options as they are offered; the core asks before it builds.

        Raises:
            UnsupportedError: If something of it is not available.
        """
        provision = self.provision(config.memory_mib, config.options, config.architecture)
        if provision.unsupported is not None:
            raise UnsupportedError(provision.unsupported)
        return replace(config, memory_mib=provision.memory_offered_mib, options=dict(provision.options_offered))

    def option(self, config: FunctionConfig, name: str) -> Any:
        """Return what a function gets of one of the `options`: what was asked, or the default."""
        if name in config.options:
            return config.options[name]
        option = self.offers(config.architecture).option(name)
        return None if option is None else option.default

    @abstractmethod
    def target(self, language: str, architecture: str) -> Target:
        """Return what packages must be built for.

        Raises:
            UnsupportedError: If it does not run that language or architecture.
        """

    def refusal(self, language: str, architecture: str) -> str | None:
        """Return why functions in a language cannot run here; None where they can, or where that is not known yet.

        Works unopened and touches nothing. The default asks `target`; override it where that has to look at something.
        """
        try:
            self.target(language, architecture)
        except UnsupportedError as exc:
            return str(exc)
        return None

    def base_image(self, target: Target, options: Mapping[str, Scalar]) -> str:
        """Return the image that functions are built from on the Docker engine of this machine; empty for none.

        `plan` says so: the engine pulls what it lacks. Works unopened and touches nothing.

        Args:
            target: What they are built for.
            options: Those asked for.
        """
        return ""

    def prepare(self, package: Package) -> None:
        """Do ahead what `deploy` of a package needs of this machine alone, while nothing is measured.

        Called from several threads, each for another package. `deploy` works without it, and says what is wrong.

        Raises:
            DeployError: If it fails.
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

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Tell by its form alone whether a word can only mean a function that `adopt` finds here."""
        return False

    @classmethod
    def settings_in(cls, address: str) -> Mapping[str, str]:
        """Return settings by name that the address of a function says, such as its region; empty for none.

        They are stronger than environment and files, and weaker than `--set`.

        Raises:
            UserError: If the word cannot name a function here.
        """
        return {}

    def subject_of(self, address: str) -> str:
        """Return the name of the function that a word means, without account, key or query. Works unopened.

        Raises:
            UserError: If the word cannot name a function here.
        """
        raise UserError(f"platform {self.name!r} cannot measure a function that exists already, such as {address!r}")

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return a function that exists already, a copy of it, or itself changed for a while (`ADOPT`).

        Blocks until it can be invoked. Whatever is made or changed goes through `self.ledger.creating` first; a change
        is a resource that `remove` puts back. `effective` says, where known, also `language`, `language_version`,
        `version` and `code_sha256`, and under `notes` what differs from the function, in words.

        Raises:
            UserError: If there is no such function, or the settings do not go with it.
            UnsupportedError: If this cannot be done with it; stored as a result.
            DeployError: If it fails; what was made is in the ledger.
        """
        raise self._missing(Capability.ADOPT, adoption.subject)

    def release(self, deployment: Deployment) -> None:
        """Undo what `adopt` did: delete a copy, put a change back. A second call is harmless."""

    def signed(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return headers that prove who sends `payload`, besides `deployment.headers`; good for at least two minutes.

        Called outside the measured path before each batch, and again while a long one goes on. Never stored.
        """
        return {}

    def invoke(self, deployment: Deployment, payload: bytes, timeout_s: float) -> Reply | None:
        """Invoke by other means than HTTP, one call after the other (`one_at_a_time`).

        The default None tells the core to use `exchange` or `deployment.endpoint`.
        """
        return None

    def exchange(self, deployment: Deployment) -> Exchange | None:
        """Return how a deployment is called where one HTTP request is not all; None where it is.

        For what answers later: 202 and polling, queues, workflows. The engine sends what the exchange describes, so
        that bursts and load work as they do elsewhere.
        """
        return None

    def status_of(self, reply: Reply) -> Status:
        """Return what a reply means. `function_error` and `ok` are distinguished by the envelope, not here.

        The default reads the HTTP status: 2xx ok, 429 throttled, 408 and 504 timeout, else platform_error.
        """
        if reply.http_status is None:
            return Status.TIMEOUT if reply.error == "timeout" else Status.PLATFORM_ERROR
        if 200 <= reply.http_status < 300:
            return Status.OK
        known = {429: Status.THROTTLED, 408: Status.TIMEOUT, 504: Status.TIMEOUT}
        return known.get(reply.http_status, Status.PLATFORM_ERROR)

    def error_of(self, reply: Reply) -> str | None:
        """Return what the provider says went wrong, to be stored: no credentials, no number of an account."""
        return None

    def output_of(self, deployment: Deployment, reply: Reply) -> str:
        """Return what the function had printed last when it answered; empty where unknown.

        Asked once for each kind of failure, after the answer was stored; the core keeps the last 4 KB.
        """
        return ""

    def request_id_of(self, reply: Reply) -> str:
        """Return the id under which the provider knows the invocation. Default: the one we sent."""
        return reply.request_id

    def record_of(self, deployment: Deployment, reply: Reply) -> ProviderRecord | None:
        """Return the provider's figures that came with an answer; None where there are none."""
        return None

    def force_cold(self, deployment: Deployment) -> None:
        """Make sure the next invocation meets no existing sandbox (`FORCE_COLD`). May be slow."""
        raise self._missing(Capability.FORCE_COLD, deployment.id)

    def records(self, deployment: Deployment, request_ids: Sequence[str]) -> Mapping[str, ProviderRecord]:
        """Return the provider's figures by request id (`RECORDS`); those not there yet are left out.

        It says what is there now and does not wait: the core asks again, until its own deadline. A platform with
        `late_records` answers for a function of a run that has ended, too, as far as the provider still knows it.
        """
        return {}

    def names_sandboxes(self, deployment: Deployment) -> bool:
        """Return whether `records` name the sandbox of an invocation where neither its answer nor `record_of` does.

        They are then asked for that alone.
        """
        return False

    @property
    def certificates(self) -> str:
        """Certificates, as PEM, of whom functions' servers are trusted by besides whom this machine trusts."""
        return ""

    @property
    def region(self) -> str:
        """Where it deploys, as the provider names it; by default the setting `region`, empty where there is none."""
        return str(getattr(self.settings, "region", None) or "")

    def billing(self, options: Mapping[str, Scalar]) -> Billing:
        """Return what decides what invocations of a function cost. Works unopened.

        The default reads `provider`, the region and the well-known options `ephemeral_mib`, `vcpu`, `gpu` and
        `min_instances`.

        Args:
            options: Of the function; for those not named the defaults hold.
        """
        known = {option.name: option.default for option in self.options if option.default is not None} | dict(options)
        vcpu = known.get("vcpu")
        return Billing(
            provider=self.provider,
            region=self.region,
            ephemeral_mib=int(known.get("ephemeral_mib", 0)),
            vcpu=None if vcpu is None else float(vcpu),
            gpus=int(known.get("gpu", 0)),
            ready=int(known.get("min_instances", 0)),
        )

    def options_of(self, deployment: Deployment) -> dict[str, Scalar]:
        """Return the options in force for a deployment: as reported back, else as asked for."""
        names = [option.name for option in self.options]
        known = {**deployment.config.options, **deployment.effective}
        return {name: known[name] for name in names if name in known}

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

    def layout(self, package: Manifest, target: Target) -> Mapping[str, bytes]:
        """Return files that the host wants beside the code: an entry point, a configuration, a `bootstrap`.

        They enter the package and its key. By default there are none: `sebsx_runtime` brings a bootstrap that speaks
        the Lambda Runtime API. What the platform changes after that is told by `Deployment.deployed_sha256`.

        Args:
            package: What the package says of itself, which is in `sebsx.json` as well.
            target: What it is built for, as `target` said.
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
        return UnsupportedError(f"platform {self.name!r} has no capability {capability!r}, wanted for {what!r}")
