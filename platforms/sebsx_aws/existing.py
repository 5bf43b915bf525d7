"""Functions that the user has: found, copied with other memory or on another processor, or changed and put back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds.adopted import Existing, check_place, language_of, parts_of
from sebsx.clouds.s3 import code_of
from sebsx.errors import CredentialsError, DeployError, PlatformError, UnsupportedError, UserError
from sebsx_aws import copies
from sebsx_aws.errors import DENIED, ERRORS
from sebsx_aws.functions import NAME
from sebsx_aws.reports import log_group, make_log_group
from sebsx_aws.resources import FUNCTION
from sebsx_aws.triggers import SDK, invoke_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption
    from sebsx_aws.clients import Clients
    from sebsx_aws.functions import Functions

LATEST = "$LATEST"
_ARN = re.compile(
    r"(arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):)?(?P<account>\d{12}):function:"
    r"(?P<name>[A-Za-z0-9_-]{1,64})(:(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)
_NAME = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,64})(:(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?")
# Functions that are called or charged in another way, by the part of the configuration that makes them so.
_OTHER_KINDS = {
    "CapacityProviderConfig": "runs on managed instances",
    "TenancyConfig": "is isolated by tenants",
    "DurableConfig": "is durable",
    "AcceleratorConfig": "has an accelerator",
}


@dataclass(frozen=True, slots=True)
class NamedFunction:
    """A function as a user names it; empty for what the name leaves open."""

    name: str
    qualifier: str = ""
    region: str = ""
    account: str = ""

    @property
    def subject(self) -> str:
        """Name and qualifier: nothing of the account."""
        return f"{self.name}:{self.qualifier}" if self.qualifier else self.name

    @property
    def is_alias(self) -> bool:
        """Whether the qualifier is an alias: versions are numbers, and aliases may not be."""
        return self.qualifier not in ("", LATEST) and not self.qualifier.isdecimal()

    @property
    def call(self) -> dict[str, str]:
        """Arguments by which the SDK finds it."""
        return {"FunctionName": self.name, **({"Qualifier": self.qualifier} if self.qualifier else {})}


def read_name(target: str) -> NamedFunction:
    """Return the function that an ARN or a name means.

    Raises:
        UserError: If it is neither.
    """
    wanted = "arn:aws:lambda:REGION:ACCOUNT:function:NAME, with :VERSION or :ALIAS behind it if you like"
    refusal = f"{ERRORS.clean(target)!r} names no Lambda function; write its name or {wanted}"
    return NamedFunction(**parts_of(target, refusal, _ARN, _NAME))


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLambda:
    """What Lambda tells of a function.

    Args:
        named: How it is asked for.
        told: Its configuration.
        found: That with its code and concurrency, where those were asked for.
        provisioned: Sandboxes that are kept ready.
        copy: What makes a copy of it, where one is wanted.
    """

    named: NamedFunction
    told: Mapping[str, Any]
    found: Mapping[str, Any] = field(default_factory=dict)
    provisioned: int = 0
    copy: Mapping[str, Any] = field(default_factory=dict)


class ExistingLambdas(Existing[FoundLambda]):
    """The user's functions in one account and region.

    Args:
        clients: The account.
        functions: Of that account.
        context: See `Existing`.
        shared: Returns the name of the bucket for code that is too large for a request.
    """

    kind = FUNCTION
    rule = NAME
    listing = "aws lambda list-functions --region {region}"

    def __init__(
        self, clients: Clients, functions: Functions, context: PlatformContext, shared: Callable[[str], str]
    ) -> None:
        super().__init__(context, clients.region)
        self._clients = clients
        self._functions = functions
        self._shared = shared
        self._copied: dict[str, str] = {}  # subject -> state in which it was copied first
        self._codes: dict[tuple[str, str], dict[str, Any]] = {}  # by subject and architecture

    def found(self, adoption: Adoption) -> FoundLambda:
        """Return what Lambda tells of a function that can be measured."""
        named = read_name(adoption.address)
        with ERRORS.explained(f"read of function {named.subject!r}"):
            return self._found(adoption, named)

    def look(self, address: str) -> FoundLambda | None:
        """Return what Lambda tells of a function as it can be changed; None if there is none."""
        read = partial(self._clients.functions.get_function_configuration, FunctionName=address)
        told = self._clients.if_there(f"read of function {address!r}", read)
        return None if told is None else FoundLambda(named=NamedFunction(address), told=told)

    def address(self, told: FoundLambda) -> str:
        """Return its name."""
        return told.named.name

    def sizes(self, told: FoundLambda) -> tuple[str, ...]:
        """Return its memory."""
        with ERRORS.explained(f"read of function {told.named.subject!r}"):
            return (str(told.told["MemorySize"]),)

    def resized(self, told: FoundLambda, memory_mib: int) -> tuple[str, ...]:
        """Return other memory, of a function that can be changed."""
        named = told.named
        if named.qualifier not in ("", LATEST):
            raise UserError(
                f"a published version such as {named.subject!r} cannot be changed; leave out {named.qualifier!r}, "
                "or measure a copy (without --in-place)"
            )
        copies.variables_of(told.told, named.subject)
        return (str(memory_mib),)

    def variables(self, told: FoundLambda) -> Mapping[str, str]:
        """Return its environment variables."""
        return copies.variables_of(told.told, told.named.subject)

    def change(self, told: FoundLambda, sizes: Sequence[str] | None, variables: Mapping[str, str] | None) -> None:
        """Give it other memory or variables."""
        changes: dict[str, Any] = {} if sizes is None else {"MemorySize": int(sizes[0])}
        if variables is not None:
            changes["Environment"] = {"Variables": variables}
        self._functions.update(told.named.name, **changes)

    def copied(self, adoption: Adoption, told: FoundLambda, name: str) -> FoundLambda:
        """Make a copy."""
        make_log_group(self._clients, self.context, name)
        with ERRORS.explained(f"copy of function {told.named.subject!r}"):
            self._clients.functions.create_function(FunctionName=name, **told.copy)
            self._functions.wait_active(name)
        return self.now(name)

    def effective(self, adoption: Adoption, told: FoundLambda) -> Mapping[str, Any]:
        """Return what Lambda reports, the language of the runtime, and the log that can be read."""
        named = told.named
        qualifier = {"Qualifier": named.qualifier} if named.qualifier else {}
        facts = {**self._functions.effective(named.name, qualifier), "function": named.name, "trigger": SDK}
        if told.provisioned:
            facts |= {"min_instances": told.provisioned, "billing_scheme": "provisioned"}
        facts |= language_of(facts.get("runtime", ""))
        if group := self._readable_log(named.name, qualifier):
            facts["log_group"] = group
        return facts

    def endpoint(self, told: FoundLambda) -> str:
        """Return where Lambda takes invocations of it."""
        qualifier = {"Qualifier": told.named.qualifier} if told.named.qualifier else {}
        return invoke_url(self._clients, told.named.name, qualifier)

    def left_out(self, told: FoundLambda, copy: FoundLambda) -> Sequence[str]:
        """Return what a copy has not of the function."""
        own = copies.architecture_of(copy.told)
        notes = copies.left_out(told.found, own)
        if told.provisioned:
            notes.append("provisioned concurrency is not copied: the copy starts on demand")
        runtimes = [one.told.get("RuntimeVersionConfig", {}).get("RuntimeVersionArn") for one in (told, copy)]
        if own == copies.architecture_of(told.told) and runtimes[0] != runtimes[1]:
            notes.append("the copy has another version of the runtime than the function: Lambda gave it the newest")
        return notes

    def warnings(self, told: FoundLambda) -> Sequence[str]:
        """Return what makes the results of a function that is measured itself less than they seem."""
        notes = []
        if told.provisioned:
            notes.append("sandboxes are kept ready for it: their price is not in the costs of the calls")
        if told.told.get("LoggingConfig", {}).get("SystemLogLevel") == "WARN":
            notes.append(
                "its system log level WARN can hide what Lambda reports of durations, starts and costs; "
                "a copy (--memory) has INFO"
            )
        return notes

    def _found(self, adoption: Adoption, named: NamedFunction) -> FoundLambda:
        self._check_place(named)
        found = self._read(named, "GetFunction", self._clients.functions.get_function, **named.call)
        told = found["Configuration"]
        self._check_kind(named, told)
        if named.is_alias:
            self._check_alias(named, told["Version"])
        provisioned = self._provisioned(named) if named.qualifier not in ("", LATEST) else 0
        copy = self._copy_of(adoption, named, found) if adoption.copy else {}
        return FoundLambda(named=named, told=told, found=found, provisioned=provisioned, copy=copy)

    def _check_place(self, named: NamedFunction) -> None:
        check_place(f"function {named.subject!r}", "region", named.region, self.region)
        if not named.account:
            return
        with ERRORS.explained("check of credentials"):
            account = self._clients.sts.get_caller_identity()["Account"]
        if account != named.account:
            raise UserError(
                f"the ARN of {named.subject!r} is of another account than the credentials; "
                "choose a profile of that account with --set profile=NAME"
            )

    def _check_kind(self, named: NamedFunction, told: Mapping[str, Any]) -> None:
        for key, what in _OTHER_KINDS.items():
            if told.get(key):
                raise UnsupportedError(
                    f"function {named.subject!r} {what} ({key}), which is called or charged in another way; if it has "
                    "a URL, measure that: sebsx run function https://..."
                )

    def _check_alias(self, named: NamedFunction, version: str) -> None:
        """Refuse an alias behind which now one version answers, now another."""
        alias = self._read(
            named, "GetAlias", self._clients.functions.get_alias, FunctionName=named.name, Name=named.qualifier
        )
        if others := (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights"):
            raise UserError(
                f"alias {named.subject!r} divides its calls between versions {', '.join([version, *sorted(others)])}; "
                f"measure one of them: {named.name}:{version}"
            )

    def _provisioned(self, named: NamedFunction) -> int:
        """Return how many sandboxes are kept ready behind a version or an alias."""
        functions = self._clients.functions

        def configured(**words: str) -> dict[str, Any]:
            try:
                told: dict[str, Any] = functions.get_provisioned_concurrency_config(**words)
            except functions.exceptions.ProvisionedConcurrencyConfigNotFoundException:
                return {}
            return told

        told = self._read(named, "GetProvisionedConcurrencyConfig", configured, **named.call)
        return int(told.get("AllocatedProvisionedConcurrentExecutions", 0))

    def _read(
        self, named: NamedFunction, action: str, call: Callable[..., dict[str, Any]], **words: str
    ) -> dict[str, Any]:
        """Return what Lambda tells of a function."""
        what = f"read of function {named.subject!r}"
        try:
            return self.there(f"function {named.subject!r}", self._clients.if_there(what, partial(call, **words)))
        except CredentialsError as exc:
            if code_of(exc.__cause__) in DENIED:
                raise CredentialsError(f"{what} is denied; allow lambda:{action} for it") from exc
            raise

    def _readable_log(self, name: str, qualifier: Mapping[str, str]) -> str:
        """Return the log group of a function, which says what sandbox served each call; empty where we may not read it.

        That takes `logs:FilterLogEvents`, which sebsx does not need otherwise.
        """
        with ERRORS.explained(f"read of function {name!r}"):
            told = self._clients.functions.get_function_configuration(FunctionName=name, **qualifier)
        group = str(told.get("LoggingConfig", {}).get("LogGroup") or log_group(name))
        read = partial(self._clients.logs.filter_log_events, logGroupName=group, limit=1)
        try:
            self._clients.if_there(f"read of log group {group!r}", read)  # one that is not comes with the first call
        except PlatformError:  # refused, or out of reach, as from networks that know Lambda alone
            return ""
        return group

    def _copy_of(self, adoption: Adoption, named: NamedFunction, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return what makes a copy, as `create_function` takes it; the code of a function is read once."""
        told, config = found["Configuration"], adoption.config
        state = "/".join(str(told.get(key)) for key in ("Version", "CodeSha256", "LastModified"))
        if self._copied.setdefault(named.subject, state) != state:
            raise DeployError(
                f"function {named.subject!r} was changed since the run began, and its copies would not be alike; "
                "run it again"
            )
        architecture = config.architecture or copies.architecture_of(told)
        variables, key = copies.variables_of(told, named.subject), (named.subject, architecture)
        if key not in self._codes:
            self._codes[key] = copies.code(self._clients, self._shared, *key, found, adoption.force)
        return {
            **copies.configuration(told),
            "Description": "copy made by sebsx for measuring; deleted afterwards",
            "Architectures": [architecture],
            "MemorySize": config.memory_mib or told["MemorySize"],
            "Environment": {"Variables": variables},
            "Code": self._codes[key],
            "Tags": dict(self.context.tags),
        }
