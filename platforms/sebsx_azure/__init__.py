"""Azure Functions as a platform."""

from __future__ import annotations
