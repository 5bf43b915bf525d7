"""The platform `url`: nothing is made, nothing is deleted, and nothing is known beyond what the client sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn
from urllib.parse import urlsplit

from sebsx.contracts.exchanges import LocationExchange
from sebsx.contracts.platforms import Platform
from sebsx.errors import UnsupportedError, UserError
from sebsx.model import Capability, Deployment
from sebsx.settings import setting

if TYPE_CHECKING:
    from sebsx.contracts.senders import Exchange
    from sebsx.model import Adoption, FunctionConfig, Package, Reply, Target

_SCHEMES = ("http://", "https://")
_SAID_CHARACTERS = 120
_REDIRECTS = range(300, 400)


@dataclass(frozen=True)
class UrlSettings:
    """Settings of the platform `url`."""

    answers_later: bool = setting(False, help="after a 202, ask for the result where its Location header says")


class UrlPlatform(Platform[UrlSettings]):
    """A live endpoint of whatever provider."""

    name = "url"
    summary = "any endpoint, measured as it is"
    Settings = UrlSettings
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.ADOPT})
    deploys: ClassVar[bool] = False
    payload_bytes: ClassVar[int] = 2**31
    timeout_margin_s: ClassVar[float] = 0.0

    def target(self, language: str, architecture: str) -> Target:
        """Refuse: packages cannot be put behind a URL."""
        self._refuse()

    def deploy(self, package: Package, config: FunctionConfig) -> Deployment:
        """Refuse: packages cannot be put behind a URL."""
        self._refuse()

    def teardown(self, deployment: Deployment) -> None:
        """Do nothing: nothing was made."""

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Tell whether a word is a URL."""
        return address.lower().startswith(_SCHEMES)

    def subject_of(self, address: str) -> str:
        """Return host and path of a URL: keys stand in the rest of it."""
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError as exc:
            raise UserError(f"URL cannot be read: {exc}") from exc
        if not self.recognises(address) or not parts.hostname:
            raise UserError(f"{address!r} is not a URL; write http://HOST/PATH or https://HOST/PATH")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{host}:{port}{parts.path}" if port else f"{host}{parts.path}"

    def adopt(self, adoption: Adoption) -> Deployment:
        """Return the endpoint; it is not asked anything yet."""
        subject = self.subject_of(adoption.address)
        if adoption.copy or adoption.in_place or adoption.config.memory_mib:
            raise UnsupportedError(f"{subject!r} is a URL: the function behind it can be neither copied nor changed")
        parts = urlsplit(adoption.address)
        endpoint = parts._replace(fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl()
        return Deployment(
            subject,
            adoption.config,
            effective={},
            endpoint=endpoint,
            headers=adoption.headers,
            method=adoption.method,
            adopted=True,
        )

    def exchange(self, deployment: Deployment) -> Exchange | None:
        """Return how an endpoint is called that accepts work and has its result later."""
        if not self.settings.answers_later or deployment.endpoint is None:
            return None
        return LocationExchange(url=deployment.endpoint, method=deployment.method, headers=deployment.headers)

    def error_of(self, reply: Reply) -> str | None:
        """Return where a redirect leads, or how the body of a refusal begins."""
        if reply.http_status in _REDIRECTS:
            place = reply.headers.get("location", "").partition("?")[0]
            return f"redirects are not followed, because they would be measured too; name {place!r} itself"
        text = " ".join(reply.body[: 4 * _SAID_CHARACTERS].decode("utf-8", "replace").split())
        return text[:_SAID_CHARACTERS] or None

    def _refuse(self) -> NoReturn:
        raise UnsupportedError(f"platform {self.name!r} deploys nothing; it measures what is there: sebsx run function")
