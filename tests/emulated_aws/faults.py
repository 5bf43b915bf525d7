"""Errors as AWS tells them."""

from __future__ import annotations

import json

from tests.faults import Fault


def answer(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body as AWS's JSON services give them."""
    body = json.dumps({"__type": fault.code, "message": fault.message, "Message": fault.message, "Type": "User"})
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": fault.code, **fault.headers}
    return fault.status, headers, body.encode()
