"""Errors as Azure tells them."""

from __future__ import annotations

import json

from tests.faults import Fault


def told(fault: Fault) -> bytes:
    """Return what a request gets."""
    return fault.raw or error(fault.code, fault.message)


def error(code: str, message: str) -> bytes:
    """Return an error as Resource Manager tells it."""
    return json.dumps({"error": {"code": code, "message": message}}).encode()
