"""The REST API of OpenWhisk: where it is, who asks, and what its refusals mean to a person.

Source: `openwhisk.swagger.json` of Apache OpenWhisk, version 0.1.0 of the API.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sebsx.clouds.failures import ProviderErrors
from sebsx.clouds.refusals import Refusal
from sebsx.clouds.rest import RestApi, unauthorised
from sebsx.clouds.selfhosted import SelfHostedAccount, paged
from sebsx.errors import CredentialsError, DeployError, PlatformError, UnsupportedError, UserError
from sebsx.system.homes import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sebsx_openwhisk.settings import OpenWhiskSettings

EXTRA = "openwhisk"
ADVICE = "set the key of the namespace with --set auth=USER:PASSWORD (wsk property get --auth)"
_API = "/api/v1"
_PROPERTIES = "~/.wskprops"
_PAGE = 200  # the most that a listing gives
_CONFLICT = "HTTP 409"
_REFUSALS = (
    unauthorised(ADVICE),
    Refusal(
        error=UnsupportedError,
        codes=("HTTP 413",),
        advice="a larger package needs --option package=image, a larger payload storage",
    ),
    Refusal(
        error=UnsupportedError,
        words=("allowed threshold", "above the", "below the", "exceeds", "must be at most"),
        advice="ask who runs the server for more, or ask for less (sebsx doctor shows the limits of the namespace)",
    ),
    Refusal(
        error=UnsupportedError,
        words=("kind", "runtime"),
        advice="name a runtime of the server with --set python=... or --set nodejs=...",
    ),
)


def _is_conflict(exc: Exception) -> bool:
    """Tell whether somebody else, or an earlier request of ours, is changing the same thing."""
    return isinstance(exc, DeployError) and _CONFLICT in str(exc)


class Whisk(SelfHostedAccount):
    """The API of one namespace; the file of the `wsk` client is read when it is first needed.

    Args:
        settings: Of the platform.

    Attributes:
        allowed: The limits of the namespace, once somebody has asked.
    """

    errors = ProviderErrors(busy=_is_conflict)

    def __init__(self, settings: OpenWhiskSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._rest: RestApi | None = None
        self._headers: dict[str, str] = {}
        self.allowed: Mapping[str, Any] = {}

    def prove(self) -> None:
        """Ask for the limits of the namespace, which tells whether the key is good.

        Raises:
            PlatformError: If whoever answers does not know the API.
        """
        path = f"/namespaces/{self._settings.namespace}/limits"
        told = self._api().ask("read of the namespace's limits", "GET", path, or_none=True)
        what = "read of the namespaces"
        known = self._api().ask(what, "GET", "/namespaces", or_none=True)
        named = isinstance(known, list) and all(isinstance(name, str) for name in known)
        if not named or not isinstance(told, dict | None):
            host = self._api().url.removesuffix(_API)
            raise PlatformError(f"{what}: {host} does not answer as OpenWhisk does; is it the API host?")
        self.allowed = told or {}

    @property
    def headers(self) -> dict[str, str]:
        """What proves who sends an invocation."""
        self._api()
        return dict(self._headers)

    def url(self, collection: str, name: str = "", namespace: str = "") -> str:
        """Return the URL of a collection or of something in it.

        Raises:
            UserError: If no API host is known.
            CredentialsError: If no key is.
        """
        return self._api().url + self._path(collection, name, namespace)

    def put(self, name: str, document: Mapping[str, Any], what: str, namespace: str = "") -> dict[str, Any]:
        """Make or change an action, and return it as the server has it now."""

        def put() -> Any:
            path = self._path("actions", name, namespace)
            return self._api().ask(what, "PUT", path, query={"overwrite": "true"}, body=document)

        told = self.settled(what, put)
        return told if isinstance(told, dict) else {}

    def action(self, name: str, namespace: str = "", *, with_code: bool = False) -> dict[str, Any] | None:
        """Return an action, without its code unless that is asked for; None if there is none."""
        told = self._api().ask(
            f"read of action {name!r}",
            "GET",
            self._path("actions", name, namespace),
            query={"code": "true" if with_code else "false"},
            or_none=True,
        )
        return told if isinstance(told, dict) else None

    def actions(self) -> Iterator[dict[str, Any]]:
        """Yield every action of the namespace, without code."""
        path = self._path("actions")

        def page(skip: int) -> list[dict[str, Any]]:
            return self._api().listed("list of actions", path, {"limit": str(_PAGE), "skip": str(skip)})

        yield from paged(page, _PAGE)

    def delete(self, name: str) -> None:
        """Delete an action. Harmless when it is gone."""
        self._api().tell(f"delete of action {name!r}", "DELETE", self._path("actions", name))

    def activation(self, activation_id: str) -> dict[str, Any] | None:
        """Return the record of an activation; None while there is none."""
        path = self._path("activations", activation_id)
        told = self._api().ask(f"read of activation {activation_id!r}", "GET", path, or_none=True)
        return told if isinstance(told, dict) else None

    def close(self) -> None:
        """Close every connection. A second call is harmless."""
        super().close()
        if self._rest is not None:
            self._rest.close()
            self._rest = None

    def _path(self, collection: str, name: str = "", namespace: str = "") -> str:
        path = f"/namespaces/{quote(namespace or self._settings.namespace, safe='')}/{collection}"
        return f"{path}/{quote(name, safe='/')}" if name else path

    def _api(self) -> RestApi:
        if self._rest is None:
            host, key = self._settings.api_host, self._settings.auth
            if not host or not key:
                known = _properties()
                host, key = host or known.get("APIHOST", ""), key or known.get("AUTH", "")
            if not host:
                raise UserError("no OpenWhisk API host is known; give one with --set api_host=https://HOST")
            user, colon, password = key.partition(":")
            if not colon:
                raise CredentialsError(f"no key of an OpenWhisk namespace is known; {ADVICE}")
            url = host if "://" in host else f"https://{host}"
            self._headers = {"Authorization": "Basic " + base64.b64encode(key.encode()).decode()}
            self._rest = RestApi(
                url.rstrip("/") + _API,
                extra=EXTRA,
                refusals=_REFUSALS,
                credentials=(user, password),
                certificate=self.certificate,
                answer_s=self._settings.answer_s,
            )
        return self._rest


def _properties() -> dict[str, str]:
    """Return what the `wsk` client has in its file of properties; nothing where there is none."""
    path = expanded(os.environ.get("WSK_CONFIG_FILE") or _PROPERTIES)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
