"""How a package is handed over to Lambda: in the request, through S3, or as an image."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from sebsx.errors import UnsupportedError
from sebsx_aws.errors import ERRORS
from sebsx_aws.resources import BUCKET, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.model import Package
    from sebsx_aws.clients import Clients
    from sebsx_aws.images import LambdaImages
    from sebsx_aws.settings import AwsSettings

# Limits of Lambda (developer guide, "Lambda quotas"): a zip in the request, and unzipped.
_DIRECT_BYTES = 50 * 1000 * 1000
UNZIPPED_BYTES = 250 * 1024 * 1024
_HANDLER = "sebsx_wrapper_lambda.handler"
# Developer guide, "Lambda runtimes": what a managed runtime is called by language and version.
_RUNTIMES = {"python": "python{}", "nodejs": "nodejs{}.x"}


def handed_over(
    package: Package,
    kind: str | None,
    settings: AwsSettings,
    clients: Clients,
    images: LambdaImages,
    shared: Callable[[str], str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return where Lambda finds the code, and how it is to be run.

    Args:
        package: What is deployed.
        kind: `zip`, `image`, or None for a zip where that is not too large.
        settings: Of the platform.
        clients: The account.
        images: Those of the run.
        shared: Returns the name of the run's bucket, and the URI of its repository.

    Raises:
        UnsupportedError: If a zip is wanted and too large.
    """
    large = package.unpacked_bytes > UNZIPPED_BYTES
    if large and kind == "zip":
        raise UnsupportedError(
            f"package of {package.benchmark!r} is {package.unpacked_bytes / 2**20:.0f} MiB unzipped, and Lambda "
            "takes 250 MiB as a zip; use --option package=image"
        )
    if kind == "image" or large:
        return {"ImageUri": images.of(package, shared(REPOSITORY), _HANDLER)}, {"PackageType": "Image"}
    managed = _RUNTIMES[package.target.language].format(package.target.version)
    runtime = {"PackageType": "Zip", "Runtime": managed, "Handler": _HANDLER}
    if settings.upload == "s3" or package.bytes > _DIRECT_BYTES:
        bucket, key = shared(BUCKET), f"packages/{package.sha256}.zip"
        with ERRORS.explained("upload of the package"), package.path.open("rb") as file:
            clients.s3.put_object(Bucket=bucket, Key=key, Body=file)
        return {"S3Bucket": bucket, "S3Key": key}, runtime
    return {"ZipFile": package.path.read_bytes()}, runtime


def deployed_digest(effective: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what runs in hex: of an image its digest, of a zip what Lambda says in base64."""
    if digest := effective.get("image_digest"):
        return str(digest).removeprefix("sha256:")
    try:
        return base64.b64decode(str(effective.get("code_sha256") or ""), validate=True).hex()
    except ValueError:  # not base64
        return ""
