"""Functions that the user has: found, copied with other memory or on another processor, or changed and put back."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sebsx.clouds.adopted import CHANGE, COPY
from sebsx.clouds.fresh import NONCE, function_name
from sebsx.clouds.s3 import code_of
from sebsx.errors import CredentialsError, DeployError, PlatformError, UnsupportedError, UserError
from sebsx.model import Deployment
from sebsx_aws import copies
from sebsx_aws.clients import DENIED, GONE, Clients, clean, explained, without_account
from sebsx_aws.functions import NAME, Functions
from sebsx_aws.reports import log_group
from sebsx_aws.triggers import SDK, invoke_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Adoption
    from sebsx_aws.settings import AwsSettings

LATEST = "$LATEST"
_ARN = re.compile(
    r"(arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):)?(?P<account>\d{12}):function:"
    r"(?P<name>[A-Za-z0-9_-]{1,64})(:(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)
_NAME = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,64})(:(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?")
_RUNTIME = re.compile(r"([a-z]+?)([0-9][0-9.x]*)?")
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
    found = _ARN.fullmatch(target) or _NAME.fullmatch(target)
    if found is None:
        wanted = "arn:aws:lambda:REGION:ACCOUNT:function:NAME, with :VERSION or :ALIAS behind it if you like"
        raise UserError(f"{clean(target)!r} names no Lambda function; write its name or {wanted}")
    return NamedFunction(**{key: value or "" for key, value in found.groupdict().items()})


class ExistingLambdas:
    """The user's functions in one account and region.

    Args:
        clients: The account.
        settings: Of the platform.
        context: Says where each copy and each change is written down first, and what copies are tagged with.
        make_log_group: Makes the log group of a function.
        bucket: Returns the name of a bucket for code that is too large for a request.
    """

    def __init__(
        self,
        clients: Clients,
        settings: AwsSettings,
        context: PlatformContext,
        make_log_group: Callable[[str], None],
        bucket: Callable[[], str],
    ) -> None:
        self._clients = clients
        self._context = context
        self._make_log_group = make_log_group
        self._bucket = bucket
        self._settings = settings
        self._functions = Functions(clients, settings)
        self._copied: dict[str, str] = {}  # subject -> state in which it was copied first
        self._codes: dict[tuple[str, str], dict[str, Any]] = {}  # by subject and architecture

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the function, its copy, or itself with other memory; see `Platform.adopt`."""
        named = read_name(adoption.address)
        self._check_place(named)
        found = self._read(named, "GetFunction", self._clients.functions.get_function, **named.call)
        self._check_kind(named, found["Configuration"])
        if named.is_alias:
            self._check_alias(named, found["Configuration"]["Version"])
        provisioned = self._provisioned(named) if named.qualifier not in ("", LATEST) else 0
        if adoption.copy:
            return self._copied_to(adoption, self._copy(adoption, named, found), found, provisioned)
        more: dict[str, Any] = {"notes": _warnings(found["Configuration"], provisioned)}
        if provisioned:
            more |= {"min_instances": provisioned, "billing_scheme": "provisioned"}
        if adoption.in_place:
            more[CHANGE] = self._change(adoption, named, found["Configuration"])
        return self._deployment(adoption, named.name, named.qualifier, more)

    def _check_place(self, named: NamedFunction) -> None:
        region = self._clients.region
        if named.region and named.region != region:
            raise UserError(
                f"the ARN of {named.subject!r} is of {named.region}, and the region set is {region}; "
                f"add --set region={named.region}"
            )
        if not named.account:
            return
        with explained("check of credentials"):
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
        what, functions = f"read of function {named.subject!r}", self._clients.functions
        with explained(what):
            try:
                return call(**words)
            except functions.exceptions.ClientError as exc:
                if code_of(exc) in GONE:
                    raise UserError(
                        f"function {named.subject!r} does not exist in {self._clients.region}; "
                        "look with: aws lambda list-functions"
                    ) from exc
                if code_of(exc) in DENIED:
                    raise CredentialsError(f"{what} is denied; allow lambda:{action} for it") from exc
                raise

    def _deployment(self, adoption: Adoption, name: str, version: str, more: Mapping[str, Any]) -> Deployment:
        config, qualifier = adoption.config, {"Qualifier": version} if version else {}
        effective = {**self._functions.effective(name, qualifier), "function": name, "trigger": SDK, **more}
        effective["adopted"] = COPY if adoption.copy else "in place" if adoption.in_place else "as it is"
        if runtime := _RUNTIME.fullmatch(effective.get("runtime", "")):
            effective |= {"language": runtime[1], "language_version": runtime[2] or ""}
        if group := self._readable_log(name, qualifier):
            effective["log_group"] = group
        region, endpoint = self._clients.region, invoke_url(self._clients, name, qualifier)
        known = replace(
            config,
            memory_mib=config.memory_mib or effective["memory_mib"],
            architecture=config.architecture or effective["architecture"],
            timeout_s=effective["timeout_s"],
        )
        identifier = ":".join(filter(None, ("function", name, version)))
        return Deployment(
            identifier, known, effective=effective, endpoint=endpoint, headers={}, region=region, adopted=True
        )

    def _readable_log(self, name: str, qualifier: Mapping[str, str]) -> str:
        """Return the log group of a function, which says what sandbox served each call; empty where we may not read it.

        That takes `logs:FilterLogEvents`, which sebsx does not need otherwise.
        """
        with explained(f"read of function {name!r}"):
            told = self._clients.functions.get_function_configuration(FunctionName=name, **qualifier)
        group = str(told.get("LoggingConfig", {}).get("LogGroup") or log_group(name))
        try:
            with explained(f"read of log group {group!r}"):
                self._clients.logs.filter_log_events(logGroupName=group, limit=1)
        except PlatformError as exc:  # refused, or out of reach, as from networks that know Lambda alone
            return group if code_of(exc.__cause__) in GONE else ""  # it comes with the first call
        return group

    def _copied_to(self, adoption: Adoption, name: str, found: Mapping[str, Any], provisioned: int) -> Deployment:
        """Return a copy, with what it has not of the function."""
        copy = self._deployment(adoption, name, "", {})
        notes = copies.left_out(found, copy.effective["architecture"])
        if provisioned:
            notes.append("provisioned concurrency is not copied: the copy starts on demand")
        told, own = found["Configuration"], copy.effective
        runtime = told.get("RuntimeVersionConfig", {}).get("RuntimeVersionArn")
        if own["architecture"] == copies.architecture_of(told) and own.get("runtime_version") != runtime:
            notes.append("the copy has another version of the runtime than the function: Lambda gave it the newest")
        return replace(copy, effective={**copy.effective, "notes": notes})

    def _copy(self, adoption: Adoption, named: NamedFunction, found: Mapping[str, Any]) -> str:
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
            self._codes[key] = copies.code(self._clients, self._bucket, *key, found, adoption.force)
        name = function_name(config, NAME)
        wanted: dict[str, Any] = {
            **copies.configuration(told),
            "FunctionName": name,
            "Description": "copy made by sebsx for measuring; deleted afterwards",
            "Architectures": [architecture],
            "MemorySize": config.memory_mib or told["MemorySize"],
            "Environment": {"Variables": variables},
            "Code": self._codes[key],
            "Tags": dict(self._context.tags),
        }
        self._make_log_group(name)
        what = f"copy of function {named.subject!r}"
        with self._context.ledger.creating("function", name, self._clients.region) as creation, explained(what):
            functions = self._clients.functions
            try:
                arn = functions.create_function(**wanted)["FunctionArn"]
            except functions.exceptions.ClientError as exc:
                if code_of(exc) in DENIED:
                    raise CredentialsError(
                        f"{what} is denied: {clean(exc.response['Error']['Message'])}; allow that, or measure the "
                        "function as it is (without --memory) or --in-place"
                    ) from exc
                raise
            creation.provider_id = without_account(arn)
            self._functions.wait_active(name)
        return name

    def _change(self, adoption: Adoption, named: NamedFunction, told: Mapping[str, Any]) -> str:
        """Give the function itself other memory, after writing down what it has, and return that."""
        if named.qualifier not in ("", LATEST):
            raise UserError(
                f"a published version such as {named.subject!r} cannot be changed; leave out {named.qualifier!r}, "
                "or measure a copy (without --in-place)"
            )
        copies.variables_of(told, named.subject)
        change = f"{named.name}@{told['MemorySize']}"
        with self._context.ledger.creating(CHANGE, change, self._clients.region):
            self._functions.update(named.name, MemorySize=adoption.config.memory_mib)
        return change


def put_back(clients: Clients, settings: AwsSettings, change: str) -> None:
    """Give a function the memory back that it had, and take away what forced it cold. Harmless when done already.

    Args:
        clients: The account.
        settings: Of the platform.
        change: Name of the resource: function and memory.
    """
    name, _, memory_mib = change.rpartition("@")
    functions = Functions(clients, settings)
    with explained(f"read of function {name!r}"):
        try:
            told = clients.functions.get_function_configuration(FunctionName=name)
        except clients.functions.exceptions.ClientError as exc:
            if code_of(exc) in GONE:
                return
            raise
    variables = dict(told.get("Environment", {}).get("Variables", {}))
    changes: dict[str, Any] = {}
    if told["MemorySize"] != int(memory_mib):
        changes["MemorySize"] = int(memory_mib)
    if variables.pop(NONCE, None) is not None:
        changes["Environment"] = {"Variables": variables}
    if changes:
        functions.update(name, **changes)


def _warnings(told: Mapping[str, Any], provisioned: int) -> list[str]:
    """Return in words what makes the results of a function that is measured itself less than they seem."""
    notes = []
    if provisioned:
        notes.append("sandboxes are kept ready for it: their price is not in the costs of the calls")
    if told.get("LoggingConfig", {}).get("SystemLogLevel") == "WARN":
        notes.append(
            "its system log level WARN can hide what Lambda reports of durations, starts and costs; "
            "a copy (--memory) has INFO"
        )
    return notes
