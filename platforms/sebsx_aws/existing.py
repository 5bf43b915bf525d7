"""Functions that the user has: found, copied with other memory or on another processor, or changed and put back."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import secrets
import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sebsx.errors import CredentialsError, DeployError, UnsupportedError, UserError
from sebsx.lazy import require
from sebsx.model import Deployment
from sebsx_aws.clients import DENIED, GONE, Clients, clean, code_of, explained, without_account
from sebsx_aws.functions import NONCE, Functions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.model import Adoption
    from sebsx.platforms import Ledger
    from sebsx_aws.settings import AwsSettings

# Kind of the resource that stands for a change of a function; its name tells what to put back.
CHANGE = "memory-change"
COPY = "copy"
_ARN = re.compile(
    r"arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):function:"
    r"(?P<name>[A-Za-z0-9_-]{1,64})(:(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)
_NAME = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,64})(:(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?")
_DIRECT_BYTES = 50 * 1000 * 1000
_LONGEST_NAME = 64
_RUNTIME = re.compile(r"([a-z]+?)([0-9][0-9.x]*)?")
# ELF header: the magic number, and what machine the code is for (System V ABI, chapter 4).
_ELF = b"\x7fELF"
_MACHINE_AT = slice(18, 20)
_MACHINES = {62: "x86_64", 183: "arm64"}
# What a copy takes over as it is; the rest is said, or has to do with who calls the function rather than with it.
_KEPT = ("Runtime", "Handler", "Role", "Timeout", "PackageType", "KMSKeyArn", "FileSystemConfigs")
_PLAIN: dict[str, Any] = {"snapstart": False, "provisioned_concurrency": 0, "reserved_concurrency": 0}


@dataclass(frozen=True, slots=True)
class Named:
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
    def call(self) -> dict[str, str]:
        """Arguments by which the SDK finds it."""
        return {"FunctionName": self.name, **({"Qualifier": self.qualifier} if self.qualifier else {})}


def read_name(target: str) -> Named:
    """Return the function that an ARN or a name means.

    Raises:
        UserError: If it is neither.
    """
    found = _ARN.fullmatch(target) or _NAME.fullmatch(target)
    if found is None:
        wanted = "arn:aws:lambda:REGION:ACCOUNT:function:NAME, with :VERSION or :ALIAS behind it if you like"
        raise UserError(f"{clean(target)!r} names no Lambda function; write its name or {wanted}")
    return Named(**{key: value or "" for key, value in found.groupdict().items()})


class Existing:
    """The user's functions in one account and region.

    Args:
        clients: The account.
        settings: Of the platform.
        ledger: Where each copy and each change is written down first.
        make_log_group: Makes the log group of a function.
        bucket: Returns the name of a bucket for code that is too large for a request.
        tags: Put on copies.
    """

    def __init__(
        self,
        clients: Clients,
        settings: AwsSettings,
        ledger: Ledger,
        make_log_group: Callable[[str], None],
        bucket: Callable[[], str],
        tags: Mapping[str, str],
    ) -> None:
        self._clients = clients
        self._ledger = ledger
        self._make_log_group = make_log_group
        self._bucket = bucket
        self._tags = dict(tags)
        self._settings = settings
        self._functions = Functions(clients, replace(settings, trigger="sdk", **_PLAIN))

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the function, its copy, or itself with other memory; see `Platform.adopt`."""
        self._check_settings()
        named = read_name(adoption.target)
        self._check_place(named)
        found = self._find(named)
        if adoption.copy:
            return self._deployment(adoption, self._copy(adoption, named, found), "", {"notes": _left_out(found)})
        more = {CHANGE: self._change(adoption, named, found)} if adoption.in_place else {}
        return self._deployment(adoption, named.name, named.qualifier, more)

    def _check_settings(self) -> None:
        changed = [name for name, plain in _PLAIN.items() if getattr(self._settings, name) != plain]
        if self._settings.trigger != "sdk":
            changed.append("trigger")
        if changed:
            raise UserError(f"a function that exists is taken as it is: leave out the setting {', '.join(changed)}")

    def _check_place(self, named: Named) -> None:
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

    def _find(self, named: Named) -> dict[str, Any]:
        """Return what Lambda tells of a function: its configuration, where its code is, its concurrency."""
        what = f"read of function {named.subject!r}"
        with explained(what):
            try:
                found: dict[str, Any] = self._clients.functions.get_function(**named.call)
            except self._clients.functions.exceptions.ClientError as exc:
                if code_of(exc) in GONE:
                    raise UserError(
                        f"function {named.subject!r} does not exist in {self._clients.region}; "
                        "look with: aws lambda list-functions"
                    ) from exc
                if code_of(exc) in DENIED:
                    raise CredentialsError(f"{what} is denied; allow lambda:GetFunction for it") from exc
                raise
        return found

    def _deployment(self, adoption: Adoption, name: str, version: str, more: Mapping[str, Any]) -> Deployment:
        config, qualifier = adoption.config, {"Qualifier": version} if version else {}
        effective = {**self._functions.effective(name, qualifier), "function": name, **more}
        effective["adopted"] = COPY if adoption.copy else "in place" if adoption.in_place else "as it is"
        if runtime := _RUNTIME.fullmatch(effective.get("runtime", "")):
            effective |= {"language": runtime[1], "language_version": runtime[2] or ""}
        suffix = f"?Qualifier={quote(version, safe='')}" if version else ""
        functions, region = self._clients.functions, self._clients.region
        endpoint = f"{functions.meta.endpoint_url}/2015-03-31/functions/{name}/invocations{suffix}"
        known = replace(
            config,
            memory_mib=config.memory_mib or effective["memory_mib"],
            architecture=config.architecture or effective["architecture"],
            timeout_s=effective["timeout_s"],
        )
        identifier = ":".join(filter(None, ("function", name, version)))
        return Deployment(identifier, known, effective, endpoint, {}, region, adopted=True)

    def _copy(self, adoption: Adoption, named: Named, found: Mapping[str, Any]) -> str:
        told, config = found["Configuration"], adoption.config
        architecture = config.architecture or _architecture(told)
        variables = _variables(told, named)
        code = self._code(named, found, architecture, adoption)
        name = f"{config.name[: _LONGEST_NAME - 9]}-{secrets.token_hex(4)}"
        wanted: dict[str, Any] = {
            "FunctionName": name,
            "Description": "copy made by sebsx for measuring; deleted afterwards",
            "Architectures": [architecture],
            "MemorySize": config.memory_mib or told["MemorySize"],
            "Code": code,
            "Tags": self._tags,
            "Environment": {"Variables": variables},
            **{key: told[key] for key in _KEPT if told.get(key)},
            **_reshaped(told),
        }
        self._make_log_group(name)
        what = f"copy of function {named.subject!r}"
        with self._ledger.creating("function", name, self._clients.region) as creation, explained(what):
            functions = self._clients.functions
            try:
                arn = functions.create_function(**wanted)["FunctionArn"]
            except functions.exceptions.ClientError as exc:
                if code_of(exc) in DENIED and "PassRole" in str(exc):
                    raise CredentialsError(
                        f"{what}: its role may not be passed to a copy; allow iam:PassRole for that role, or measure "
                        "the function as it is (without --memory) or --in-place"
                    ) from exc
                raise
            creation.provider_id = without_account(arn)
            self._functions.wait_active(name)
        return name

    def _code(self, named: Named, found: Mapping[str, Any], architecture: str, adoption: Adoption) -> dict[str, Any]:
        """Return the code of a copy as Lambda wants it; it never leaves the account but for this process."""
        told, place = found["Configuration"], found["Code"]
        other = architecture != _architecture(told)
        if told.get("PackageType") == "Image":
            if other and not adoption.force:
                raise UnsupportedError(
                    f"function {named.subject!r} is an image for {_architecture(told)}; --force copies it to "
                    f"{architecture} all the same, for images that are made for both"
                )
            return {"ImageUri": place["ImageUri" if other else "ResolvedImageUri"]}
        data = self._download(named, place["Location"], told.get("CodeSha256"))
        if other and not adoption.force and (native := _native(data, architecture)):
            first, more = native[0], f" and {len(native) - 1} more" if len(native) > 1 else ""
            raise UnsupportedError(
                f"the package of {named.subject!r} holds code that does not run on {architecture} "
                f"({first}{more}); --force copies it all the same"
            )
        if len(data) <= _DIRECT_BYTES:
            return {"ZipFile": data}
        bucket, key = self._bucket(), f"packages/{hashlib.sha256(data).hexdigest()}.zip"
        with explained(f"upload of the code of {named.subject!r}"):
            self._clients.s3.put_object(Bucket=bucket, Key=key, Body=data)
        return {"S3Bucket": bucket, "S3Key": key}

    def _download(self, named: Named, url: str, digest: str | None) -> bytes:
        """Return what is behind a signed URL, which nobody else gets to see: not in a log, not in a message."""
        what = f"download of the code of {named.subject!r}"
        request = require("botocore.awsrequest", extra="aws").AWSRequest("GET", url).prepare()
        session = require("botocore.httpsession", extra="aws").URLLib3Session()
        try:
            answer = session.send(request)
        except require("botocore.exceptions", extra="aws").HTTPClientError as exc:
            raise DeployError(f"{what} failed: {type(exc).__name__}; is the network up?") from None
        finally:
            session.close()
        if answer.status_code != 200:
            raise DeployError(f"{what} failed with HTTP {answer.status_code}")
        data: bytes = answer.content
        if digest and base64.b64encode(hashlib.sha256(data).digest()).decode() != digest:
            raise DeployError(f"{what} gave something else than Lambda runs; try again")
        return data

    def _change(self, adoption: Adoption, named: Named, found: Mapping[str, Any]) -> str:
        """Give the function itself other memory, after writing down what it has, and return that."""
        told = found["Configuration"]
        if named.qualifier not in ("", "$LATEST"):
            raise UserError(
                f"a published version such as {named.subject!r} cannot be changed; leave out {named.qualifier!r}, "
                "or measure a copy (without --in-place)"
            )
        _variables(told, named)
        change = f"{named.name}@{told['MemorySize']}"
        with self._ledger.creating(CHANGE, change, self._clients.region):
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
    functions = Functions(clients, replace(settings, **_PLAIN))
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


def _architecture(told: Mapping[str, Any]) -> str:
    return str(told.get("Architectures", ["x86_64"])[0])


def _variables(told: Mapping[str, Any], named: Named) -> dict[str, str]:
    """Return the variables of a function, which must not get lost in a copy or a change."""
    environment = told.get("Environment", {})
    if "Error" in environment:
        raise CredentialsError(
            f"the variables of function {named.subject!r} cannot be read; allow kms:Decrypt for their key"
        )
    return dict(environment.get("Variables", {}))


def _reshaped(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Lambda tells of a function in another shape than it takes it in."""
    wanted: dict[str, Any] = {}
    if layers := [layer["Arn"] for layer in told.get("Layers", [])]:
        wanted["Layers"] = layers
    network = told.get("VpcConfig", {})
    if network.get("SubnetIds"):
        keys = ("SubnetIds", "SecurityGroupIds", "Ipv6AllowedForDualStack")
        wanted["VpcConfig"] = {key: network[key] for key in keys if key in network}
    if size := told.get("EphemeralStorage", {}).get("Size"):
        wanted["EphemeralStorage"] = {"Size": size}
    if mode := told.get("TracingConfig", {}).get("Mode"):
        wanted["TracingConfig"] = {"Mode": mode}
    if image := told.get("ImageConfigResponse", {}).get("ImageConfig"):
        wanted["ImageConfig"] = image
    if told.get("LoggingConfig", {}).get("LogFormat") == "JSON":
        keys = ("LogFormat", "ApplicationLogLevel", "SystemLogLevel")
        wanted["LoggingConfig"] = {key: told["LoggingConfig"][key] for key in keys if key in told["LoggingConfig"]}
    return wanted


def _left_out(found: Mapping[str, Any]) -> list[str]:
    """Return in words what the function has and its copy has not."""
    told = found["Configuration"]
    notes = []
    if "ReservedConcurrentExecutions" in found.get("Concurrency", {}):
        notes.append("reserved concurrency is not copied: the copy takes from the account's")
    if told.get("DeadLetterConfig", {}).get("TargetArn"):
        notes.append("the dead-letter queue is not copied")
    if told.get("SnapStart", {}).get("ApplyOn", "None") != "None":
        notes.append("SnapStart is not copied: cold starts of the copy are whole initialisations")
    if told.get("FileSystemConfigs"):
        notes.append("the copy mounts the same file system")
    return notes


def _native(package: bytes, architecture: str) -> list[str]:
    """Return `FILE for MACHINE` for each file in a package that is machine code of another architecture."""
    found = []
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as file:
                    head = file.read(_MACHINE_AT.stop)
                machine = int.from_bytes(head[_MACHINE_AT], "little")
                if head.startswith(_ELF) and _MACHINES.get(machine) != architecture:
                    found.append(f"{entry.filename} for {_MACHINES.get(machine, f'machine {machine}')}")
    except zipfile.BadZipFile as exc:
        raise DeployError(f"the code is no zip archive: {exc}") from exc
    return found
