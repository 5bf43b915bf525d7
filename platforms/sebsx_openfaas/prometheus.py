"""What Prometheus keeps of the gateway's metrics: how many replicas a function had when it was called.

Metrics are sums over all callers, scraped some seconds apart: durations and counts of single calls are not in them, and
come from the gateway's answers instead. Source: OpenFaaS, "Metrics"; Prometheus, "HTTP API", version 1.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

from sebsx.clouds.rest import RestApi
from sebsx.errors import PlatformError
from sebsx.model import Problem, Severity
from sebsx_openfaas.settings import EXTRA

if TYPE_CHECKING:
    from sebsx_openfaas.settings import OpenFaasSettings

logger = logging.getLogger(__name__)

REPLICAS = "gateway_service_count"
_SLOT_S = 2.0  # calls within this are answered by one question


class ReplicaCounts:
    """Replicas of functions over time; nothing where the settings name no Prometheus. Making one sends nothing.

    Args:
        settings: Of the platform.
        certificate: File with the certificate of the server; empty for whom this machine trusts.
    """

    def __init__(self, settings: OpenFaasSettings, certificate: str) -> None:
        self._url = settings.prometheus_url
        self._known: dict[tuple[str, int], int] = {}
        self._rest = RestApi(
            settings.prometheus_url,
            extra=EXTRA,
            refusals=(),
            certificate=certificate,
            answer_s=settings.answer_s,
        )

    def at(self, function: str, at_s: float) -> int | None:
        """Return how many replicas a function had when it was last scraped before a moment; None if unknown.

        Args:
            function: Name and namespace, `NAME.NAMESPACE`.
            at_s: Unix time of this machine.
        """
        if not self._url:
            return None
        key = (function, math.floor(at_s / _SLOT_S))
        if key not in self._known:
            try:
                found = self._query(f'{REPLICAS}{{function_name="{function}"}}', at_s)
            except PlatformError as exc:
                logger.warning("replicas are not recorded any more: %s", exc)
                self._url = ""  # it is not waited for again
                return None
            if not found:
                return None
            self._known[key] = round(sum(found))
        return self._known[key]

    def problems(self) -> list[Problem]:
        """Return what is wrong with it, for `Platform.check`."""
        if not self._url:
            return []
        try:
            if self._query(f"count({REPLICAS})"):
                return []
            said = f"Prometheus has no metric {REPLICAS!r}"
        except PlatformError as exc:
            said = str(exc).partition("; ")[0]
        advice = "name the one that scrapes the gateway with --set prometheus_url=..."
        return [Problem(said, advice=advice, severity=Severity.WARNING)]

    def close(self) -> None:
        """Close every connection. A second call is harmless."""
        self._rest.close()

    def _query(self, question: str, at_s: float | None = None) -> list[float]:
        """Return the values of an instant vector.

        Raises:
            PlatformError: If Prometheus does not answer as its API says.
        """
        query = {"query": question, **({} if at_s is None else {"time": f"{at_s:.3f}"})}
        told = self._rest.ask("query of Prometheus", "GET", "/api/v1/query", query=query)
        try:
            return [_value(item["value"]) for item in told["data"]["result"]]
        except (TypeError, KeyError, ValueError, IndexError) as exc:
            raise PlatformError(
                f"query of Prometheus: {self._url} does not answer as Prometheus; is it its URL?"
            ) from exc


def _value(pair: Any) -> float:
    value = float(pair[1])
    if not math.isfinite(value):
        raise ValueError(pair)
    return value
