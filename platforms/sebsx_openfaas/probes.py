"""Whether a function or the watchdog in front of it answers: the gateway says it is available long before."""

from __future__ import annotations

from urllib.parse import urlsplit

from sebsx.clouds.answers import read
from sebsx.clouds.rest import LOOPBACK
from sebsx.errors import PlatformError
from sebsx.model.untrusted import MIB, UntrustedJsonError, parse_json
from sebsx.system.lazy import require
from sebsx_openfaas.settings import EXTRA

_WITHIN_S = 10.0
_MOST_BYTES = MIB
_HEALTH = "/_/health"  # of either watchdog


def answers(url: str, value: str, certificate: str) -> bool:
    """Tell whether our server behind a URL answers now, with the variable that tells its replica from older ones.

    Args:
        url: Of the function, with the question that calls nothing.
        value: Of the variable.
        certificate: File with the certificate of the gateway; empty for whom this machine trusts.
    """
    status, content = _asked("POST", url, certificate)
    try:
        told = parse_json(content)
    except UntrustedJsonError:
        return False
    return status == 200 and isinstance(told, dict) and told.get("ready") == value


def is_healthy(url: str, certificate: str) -> bool:
    """Tell whether the watchdog in front of a function answers; the function is not called.

    Args:
        url: Of the function.
        certificate: File with the certificate of the gateway; empty for whom this machine trusts.
    """
    return _asked("GET", url + _HEALTH, certificate)[0] == 200


def _asked(method: str, url: str, certificate: str) -> tuple[int, bytes]:
    """Return status and body of an answer; 0 where there is none."""
    requests = require("requests", extra=EXTRA)
    try:
        with requests.Session() as session:
            session.trust_env = urlsplit(url).hostname not in LOOPBACK
            session.verify = certificate or True
            answer = session.request(method, url, timeout=_WITHIN_S, allow_redirects=False, stream=True)
            told = read(answer, within_s=_WITHIN_S, most_bytes=_MOST_BYTES)
            return told.status_code, told.content
    except (requests.RequestException, PlatformError):
        return 0, b""
