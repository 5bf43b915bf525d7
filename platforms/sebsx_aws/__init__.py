"""AWS Lambda on x86 and ARM."""

from __future__ import annotations
