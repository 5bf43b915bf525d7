"""What a copy of a function takes over: its configuration and its code; and in words, what it does not have."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from sebsx.clouds.archives import foreign_code
from sebsx.errors import CredentialsError, DeployError, UnsupportedError
from sebsx.system.lazy import require
from sebsx_aws.errors import ERRORS
from sebsx_aws.resources import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx_aws.clients import Clients

_DIRECT_BYTES = 50 * 1000 * 1000
_KEPT = ("Runtime", "RuntimeConfig", "Handler", "Role", "Timeout", "PackageType", "KMSKeyArn", "FileSystemConfigs")
# All that is copied, in this shape or another, said to be left out, or no part of how a function runs.
_KNOWN = frozenset(
    {
        *_KEPT, "FunctionName", "FunctionArn", "CodeSize", "Description", "MemorySize", "LastModified", "CodeSha256",
        "Version", "MasterArn", "RevisionId", "ConfigSha256", "State", "StateReason", "StateReasonCode",
        "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "SigningProfileVersionArn",
        "SigningJobArn", "Architectures", "RuntimeVersionConfig", "Environment", "Layers", "VpcConfig",
        "EphemeralStorage", "TracingConfig", "ImageConfigResponse", "LoggingConfig", "DeadLetterConfig", "SnapStart",
    }
)  # fmt: skip


def architecture_of(told: Mapping[str, Any]) -> str:
    """Return the architecture of a function, as Lambda names it."""
    return str(told.get("Architectures", ["x86_64"])[0])


def variables_of(told: Mapping[str, Any], subject: str) -> dict[str, str]:
    """Return the variables of a function, which must not get lost in a copy or a change.

    Raises:
        CredentialsError: If they have a key that we may not use.
    """
    environment = told.get("Environment", {})
    if "Error" in environment:
        raise CredentialsError(f"the variables of function {subject!r} cannot be read; allow kms:Decrypt for their key")
    return dict(environment.get("Variables", {}))


def configuration(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a copy takes over but for variables, memory, architecture and code, as `create_function` takes it."""
    wanted = {key: told[key] for key in _KEPT if told.get(key)}
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
    logging = told.get("LoggingConfig", {})
    if logging.get("LogFormat") == "JSON":
        # Without its reports (level INFO) nobody knows what an invocation cost; the log group is the copy's own.
        levels = {key: logging[key] for key in ("ApplicationLogLevel",) if key in logging}
        wanted["LoggingConfig"] = {"LogFormat": "JSON", **levels, "SystemLogLevel": "INFO"}
    return wanted


def left_out(found: Mapping[str, Any], architecture: str) -> list[str]:
    """Return in words what a function has and its copy has not, or has in common with it."""
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
    if told.get("Layers") and architecture != architecture_of(told):
        notes.append(f"layers are taken as they are: whether they run on {architecture} was not looked at")
    notes += [f"{key} is not copied" for key in sorted(told.keys() - _KNOWN) if told[key]]
    return notes


def code(
    clients: Clients,
    shared: Callable[[str], str],
    subject: str,
    architecture: str,
    found: Mapping[str, Any],
    force: bool,
) -> dict[str, Any]:
    """Return the code of a copy as `create_function` takes it; it never leaves the account but for this process.

    Args:
        clients: The account.
        shared: Returns the name of the bucket for code that is too large for a request.
        subject: Name of the function.
        architecture: Of the copy.
        found: What Lambda tells of the function.
        force: Take machine code of another architecture all the same.

    Raises:
        UnsupportedError: If the code does not run on the architecture.
        CredentialsError: If it has a key that we may not use.
        DeployError: If it is not available.
    """
    told, place = found["Configuration"], found["Code"]
    other = architecture != architecture_of(told)
    if told.get("PackageType") == "Image":
        if other:
            raise UnsupportedError(
                f"function {subject!r} is an image for {architecture_of(told)}, and Lambda runs an image on one only: "
                f"make a function of an image for {architecture}, and measure that"
            )
        return {"ImageUri": place["ResolvedImageUri"]}
    if "Error" in place:
        raise CredentialsError(f"the code of function {subject!r} cannot be read; allow kms:Decrypt for its key")
    data = _download(subject, place["Location"], told.get("CodeSha256"))
    if other and not force and (native := foreign_code(data, architecture)):
        first, more = native[0], f" and {len(native) - 1} more" if len(native) > 1 else ""
        raise UnsupportedError(
            f"the package of {subject!r} holds code that does not run on {architecture} "
            f"({first}{more}); --force copies it all the same"
        )
    key = {"SourceKMSKeyArn": place["SourceKMSKeyArn"]} if place.get("SourceKMSKeyArn") else {}
    if len(data) <= _DIRECT_BYTES:
        return {"ZipFile": data, **key}
    where = {"Bucket": shared(BUCKET), "Key": f"packages/{hashlib.sha256(data).hexdigest()}.zip"}
    with ERRORS.explained(f"upload of the code of {subject!r}"):
        clients.s3.put_object(**where, Body=data)
    return {f"S3{name}": value for name, value in where.items()} | key


def _download(subject: str, url: str, digest: str | None) -> bytes:
    """Return what is behind a signed URL, which nobody else gets to see: not in a log, not in a message."""
    what = f"download of the code of {subject!r}"
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
