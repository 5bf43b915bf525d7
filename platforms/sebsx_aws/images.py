"""Container images for Lambda: the package on AWS's base image, pushed to the run's repository."""

from __future__ import annotations

import base64
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds import images
from sebsx.clouds.registries import IMAGE
from sebsx.errors import UnsupportedError
from sebsx_aws.errors import ERRORS

if TYPE_CHECKING:
    from sebsx.contracts.ledger import Ledger
    from sebsx.model import Package
    from sebsx_aws.clients import Clients

logger = logging.getLogger(__name__)

_TAG_DIGITS = 32  # of the content hash of a package
_TASK_ROOT = "/var/task"
# Lambda's limit for an image, all layers, uncompressed (developer guide, "Lambda quotas").
_IMAGE_BYTES = 10 * 1024**3
engine = partial(images.engine, "use --option package=zip", ERRORS.clean)


class LambdaImages:
    """The images of one run; on the engine nothing of them is left.

    Args:
        clients: The account.
        ledger: Where each is written down while the engine has it.
        base: Base image; `{language}` and `{version}` stand for the language and its version.
    """

    def __init__(self, clients: Clients, ledger: Ledger, base: str) -> None:
        self._clients = clients
        self._ledger = ledger
        self._base = base
        self._pushed: dict[str, str] = {}  # content hash of a package -> URI by digest

    def of(self, package: Package, repository: str, handler: str) -> str:
        """Return the URI by digest of the image of a package, built and pushed once; see `push_image`."""
        key = package.content_hash
        if key not in self._pushed:
            logger.info("building and pushing the image of %r", package.benchmark)
            tag = key[:_TAG_DIGITS]
            name = f"{repository.rpartition('/')[2]}:{tag}"  # without the host, which has the number of the account
            with engine() as client:
                try:
                    with self._ledger.creating(IMAGE, name):
                        self._pushed[key] = push_image(
                            client, self._clients, repository, tag, package, self._base, handler
                        )
                finally:
                    images.remove_image(client, name)
                    self._ledger.deleted(IMAGE, name)
        return self._pushed[key]


def delete_image(_clients: Clients, name: str) -> None:
    """Remove what a build or push that was cut short left on the engine of this machine."""
    with engine() as client:
        images.remove_image(client, name)


def push_image(
    client: Any, clients: Clients, repository: str, tag: str, package: Package, base: str, handler: str
) -> str:
    """Build an image, push it, and return its URI by digest. It stays on the engine, see `remove_image`.

    Args:
        client: Of the engine.
        clients: The account; ECR says who may push.
        repository: Its URI.
        tag: What the image is called in it.
        package: What goes to the task root.
        base: Base image; `{language}` and `{version}` stand for the language and its version.
        handler: What the runtime client of the base image calls.

    Raises:
        DeployError: If the engine cannot build or push it.
        CredentialsError: If the registry refuses our push.
        UnsupportedError: If the base is for another architecture, or the image larger than Lambda takes.
    """
    name, what = f"{repository}:{tag}", f"image of {package.benchmark!r}"
    recipe = [f'CMD ["{handler}"]']
    built = images.build_image(client, name, package, base=base, folder=_TASK_ROOT, recipe=recipe, clean=ERRORS.clean)
    if built["Size"] > _IMAGE_BYTES:
        raise UnsupportedError(
            f"{what} is {built['Size'] / 2**30:.1f} GiB, and Lambda takes 10 GiB; leave out what it does not need"
        )
    advice = "log in again (aws sso login), or allow it with the policy that 'sebsx aws policy' prints"
    return images.push_image(client, name, _login(clients), what=what, advice=advice, clean=ERRORS.clean)


def image_facts(clients: Clients, function: str) -> dict[str, Any]:
    """Return what ECR says of the image that Lambda runs for a function: digest, and bytes, compressed."""
    with ERRORS.explained(f"read of the image of {function!r}"):
        uri = clients.functions.get_function(FunctionName=function)["Code"]["ResolvedImageUri"]
        repository, _, digest = uri.partition("/")[2].partition("@")
        told = clients.ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])
        return {"image_digest": digest, "image_bytes": told["imageDetails"][0]["imageSizeInBytes"]}


def _login(clients: Clients) -> dict[str, str]:
    """Return what a push is allowed by."""
    with ERRORS.explained("log-in to the registry"):
        told = clients.ecr.get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(told["authorizationToken"]).decode().partition(":")
    return {"username": user, "password": password}
