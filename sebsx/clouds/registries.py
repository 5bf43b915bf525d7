"""Images of packages in a registry of the user's own: built and pushed once in a run, then gone from the engine."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.clouds import images
from sebsx.clouds.accounts import CloudAccount, ResourceKind
from sebsx.errors import UnsupportedError
from sebsx.settings import setting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.ledger import Ledger
    from sebsx.model import Package

logger = logging.getLogger(__name__)

IMAGE = "image"  # kind of the resource
_REPOSITORY = "sebsx"
_TAG_DIGITS = 32  # of the content hash of a package


@dataclass(frozen=True, kw_only=True)
class RegistrySettings:
    """Where images are pushed, and who may."""

    registry: str = setting("", help="registry for images, with a path, e.g. docker.io/me; default: none")
    registry_user: str = setting("", help="user who may push there; default: the log-in of the Docker client")
    registry_password: str = setting("", help="password of that user", secret=True)


class PushedImages:
    """The images of one run.

    Args:
        settings: The registry.
        ledger: Where each is written down while the engine has it.
        base: Base image; `{language}` and `{version}` stand for the language and its version.
        folder: Where the package goes.
        instead: What to do without images, for messages; empty where nothing else can be done.
    """

    def __init__(
        self, settings: RegistrySettings, ledger: Ledger, *, base: str, folder: str, instead: str = ""
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._base = base
        self._folder = folder
        self._instead = instead
        self._pushed: dict[str, str] = {}  # content hash of a package -> URI by digest

    def of(
        self, package: Package, recipe: Sequence[str] = (), more: Mapping[str, bytes] | None = None
    ) -> tuple[str, str]:
        """Return the name of a package's image, by which a server finds it, and its digest.

        Args:
            package: What is in it.
            recipe: Lines of the Dockerfile behind the package.
            more: Files of the build context for these lines.

        Raises:
            UnsupportedError: If the settings name no registry.
            DeployError: If it cannot be built or pushed.
        """
        key, registry = package.content_hash, self._settings.registry.rstrip("/")
        if not registry:
            raise UnsupportedError(
                f"package of {package.benchmark!r} needs an image, and no registry is known; name one that the server "
                f"pulls from with --set registry=HOST/PATH{f', or {self._instead}' if self._instead else ''}"
            )
        name = f"{registry}/{_REPOSITORY}:{key[:_TAG_DIGITS]}"
        if key not in self._pushed:
            logger.info("building and pushing the image of %r", package.benchmark)
            with images.engine(self._instead) as client:
                try:
                    with self._ledger.creating(IMAGE, name):
                        images.build_image(
                            client, name, package, base=self._base, folder=self._folder, recipe=recipe, more=more
                        )
                        uri = images.push_image(
                            client,
                            name,
                            self._login(),
                            what=f"image of {package.benchmark!r}",
                            advice="set registry_user and registry_password, or log in (docker login)",
                        )
                finally:
                    images.forget_image(client, name)
                    self._ledger.deleted(IMAGE, name)
            self._pushed[key] = uri.rpartition("@")[2]
        return name, self._pushed[key]

    def _login(self) -> dict[str, str] | None:
        user = self._settings.registry_user
        return {"username": user, "password": self._settings.registry_password} if user else None


def _remove_image(_account: CloudAccount, name: str) -> None:
    """Remove what a build or push that was cut short left on the engine of this machine. Harmless when it is gone."""
    with images.engine() as client:
        images.forget_image(client, name)


IMAGES: Mapping[str, ResourceKind[CloudAccount]] = {IMAGE: ResourceKind(delete=_remove_image)}
"""The kind of resource that an image is while the engine has it."""
