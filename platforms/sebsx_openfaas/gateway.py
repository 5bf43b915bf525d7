"""The REST API of a gateway: functions, secrets, logs, and what its refusals mean to a person.

Source: `openfaas.openapi.yml` of OpenFaaS, and what a real gateway does beside it: 200 for 202, counts left out when 0.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from sebsx.clouds.refusals import Refusal
from sebsx.clouds.rest import RestApi, may_have_been_taken, unauthorised
from sebsx.clouds.selfhosted import SelfHostedAccount
from sebsx.errors import DeployError, PlatformError, UnsupportedError
from sebsx_openfaas.prometheus import ReplicaCounts
from sebsx_openfaas.settings import EXTRA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sebsx_openfaas.settings import OpenFaasSettings

ADVICE = "set user and password of the gateway (--set password=...; faas-cli login)"
_CHANGES, _PAUSE_S = 3, 1.0  # how often a change is sent whose answer was lost
_FUNCTIONS, _SECRETS = "/system/functions", "/system/secrets"
_REFUSALS = (
    unauthorised(ADVICE),
    Refusal(
        error=UnsupportedError,
        words=("not a valid resource", "quantities must match"),
        advice="ask for another size of memory or processor",
    ),
)


class FaasGateway(SelfHostedAccount):
    """The functions of one namespace, and the Prometheus beside them.

    Args:
        settings: Of the platform.

    Attributes:
        url: Of the gateway.
        replicas: How many replicas functions had.
    """

    def __init__(self, settings: OpenFaasSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        self.replicas = ReplicaCounts(settings, self.certificate)
        self._namespace = settings.namespace
        self._patience_s = max(settings.ready_s, settings.answer_s)
        self.url = settings.gateway.rstrip("/")
        self._rest = RestApi(
            self.url,
            extra=EXTRA,
            refusals=_REFUSALS,
            credentials=(settings.user, settings.password),
            certificate=self.certificate,
            answer_s=settings.answer_s,
        )

    def prove(self) -> None:
        """Ask the gateway what it is, which tells whether the password is good.

        Raises:
            PlatformError: If whoever answers is no gateway.
        """
        what = "check of the gateway"
        told = self._rest.ask(what, "GET", "/system/info")
        if not isinstance(told, dict) or not told.get("provider"):
            raise PlatformError(f"{what}: {self.url} does not answer as a gateway of OpenFaaS; is it its URL?")

    def put(self, document: Mapping[str, Any], *, new: bool, namespace: str = "") -> None:
        """Make a function, or replace all of one that is there.

        A provider pulls the image meanwhile, and may answer when that is done. Where the answer to a create is lost,
        the gateway is asked whether the function is there before the create is sent again.
        """
        name, chosen = document["service"], namespace or self._namespace
        what = f"{'create' if new else 'update'} of function {name!r}"
        body = {**document, **({"namespace": chosen} if chosen else {})}
        for attempt in range(_CHANGES):
            if attempt:
                time.sleep(_PAUSE_S)
            try:
                return self._change(what, "POST" if new else "PUT", body)
            except PlatformError as exc:
                lost = may_have_been_taken(exc)
                # Its name is nobody else's: if it is there, this attempt or an earlier one made it.
                if new and (lost or attempt) and self._is_there(name, chosen):
                    return None
                if not lost or attempt == _CHANGES - 1:
                    raise
        return None

    def function(self, name: str, namespace: str = "") -> dict[str, Any] | None:
        """Return what the gateway says of a function; None if there is none."""
        chosen = namespace or self._namespace
        query = {"namespace": chosen} if chosen else None
        told = self._rest.ask(
            f"read of function {name!r}", "GET", f"/system/function/{name}", query=query, or_none=True
        )
        return told if isinstance(told, dict) else None

    def functions(self) -> Iterator[dict[str, Any]]:
        """Yield what the gateway says of every function."""
        query = {"namespace": self._namespace} if self._namespace else None
        yield from self._rest.listed("list of functions", _FUNCTIONS, query)

    def scale(self, name: str, replicas: int, namespace: str) -> None:
        """Ask for so many replicas; how many there will be, `function` says."""
        body = {"serviceName": name, "namespace": namespace, "replicas": replicas}
        self._do(f"scaling of function {name!r}", "POST", f"/system/scale-function/{name}", body)

    def delete(self, name: str, namespace: str = "") -> None:
        """Delete a function. Harmless when it is gone."""
        body = self._named("functionName", name, namespace)
        # Providers differ in where they look for it: faas-netes in the query, faasd in the body.
        query = {"namespace": body["namespace"]} if "namespace" in body else None
        self._rest.tell(f"delete of function {name!r}", "DELETE", _FUNCTIONS, query=query, body=body)

    def make_secret(self, name: str, value: str) -> None:
        """Make a secret, or replace one that an earlier attempt made."""
        body = {**self._named("name", name), "value": value}
        self._do(f"create of secret {name!r}", "POST", _SECRETS, body)

    def delete_secret(self, name: str) -> None:
        """Delete a secret. Harmless when it is gone."""
        self._rest.tell(f"delete of secret {name!r}", "DELETE", _SECRETS, body=self._named("name", name))

    def log(self, name: str, namespace: str, since: str) -> Iterator[dict[str, Any]]:
        """Yield the entries of a function's log from a date on (RFC 3339)."""
        query = {"name": name, "since": since, "follow": "false"}
        if chosen := namespace or self._namespace:
            query["namespace"] = chosen
        for line in self._rest.lines(f"read of the log of {name!r}", "/system/logs", query):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue  # cut off
            if isinstance(entry, dict):
                yield entry

    def invoke_url(self, name: str, namespace: str = "", way: str = "function") -> str:
        """Return where a function is called: at once, or by `async-function`."""
        chosen = namespace or self._namespace
        return f"{self.url}/{way}/{name}{f'.{chosen}' if chosen else ''}"

    def close(self) -> None:
        """Close every connection. A second call is harmless."""
        super().close()
        self.replicas.close()
        self._rest.close()

    def _do(self, what: str, method: str, path: str, body: Mapping[str, Any]) -> None:
        """Ask for something that a 404 does not do, unlike a delete.

        Raises:
            PlatformError: If it is refused, or nobody answers.
        """
        if not self._rest.tell(what, method, path, body=body):
            raise self._unknown(what)

    def _change(self, what: str, method: str, body: Mapping[str, Any]) -> None:
        """Do the same for a function, which takes longer and is sent once."""
        if not self._rest.once(what, method, _FUNCTIONS, body=body, answer_s=self._patience_s):
            raise self._unknown(what)

    def _is_there(self, name: str, namespace: str) -> bool:
        """Tell whether a function is there; not where nobody tells."""
        try:
            return self.function(name, namespace) is not None
        except PlatformError:
            return False

    def _unknown(self, what: str) -> DeployError:
        return DeployError(f"{what}: the gateway does not know it (HTTP 404); is {self.url} its URL?")

    def _named(self, key: str, name: str, namespace: str = "") -> dict[str, str]:
        chosen = namespace or self._namespace
        return {key: name, **({"namespace": chosen} if chosen else {})}
