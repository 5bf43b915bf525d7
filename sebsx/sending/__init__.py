"""The load engine: when requests are due (`schedule`), how they are sent and timed (`client`, `clock`)."""

from __future__ import annotations
