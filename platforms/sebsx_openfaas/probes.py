"""Whether a function answers: asked of itself, since the gateway says it is available long before."""

from __future__ import annotations

from urllib.parse import urlsplit

from sebsx.clouds.rest import LOOPBACK
from sebsx.model.untrusted import UntrustedJsonError, parse_json
from sebsx.system.homes import expanded
from sebsx.system.lazy import require
from sebsx_openfaas.gateway import EXTRA

_WITHIN_S = 10.0


def answers(url: str, value: str, certificate: str) -> bool:
    """Tell whether our server behind a URL answers now, with the variable that tells its replica from older ones.

    Args:
        url: Of the function, with the question that calls nothing.
        value: Of the variable.
        certificate: File with the certificate of the gateway; empty for whom this machine trusts.
    """
    requests = require("requests", extra=EXTRA)
    try:
        with requests.Session() as session:
            session.trust_env = urlsplit(url).hostname not in LOOPBACK
            session.verify = str(expanded(certificate)) if certificate else True
            answer = session.post(url, timeout=_WITHIN_S)
        told = parse_json(answer.content)
    except (requests.RequestException, UntrustedJsonError):
        return False
    return answer.status_code == 200 and isinstance(told, dict) and told.get("ready") == value
