"""Errors as Google tells them."""

from __future__ import annotations

import json

from tests.faults import Fault


def told(fault: Fault) -> bytes:
    """Return what a request gets."""
    return error(fault.status, fault.code, fault.message)


def error(code: int, status: str, message: str) -> bytes:
    """Return an error as Google's APIs tell it."""
    return json.dumps({"error": {"code": code, "message": message, "status": status}}).encode()
