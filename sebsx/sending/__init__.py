"""The load engine: how what is due (`sebsx.contracts.schedules`) is sent and timed (`client`, `clock`)."""

from __future__ import annotations
