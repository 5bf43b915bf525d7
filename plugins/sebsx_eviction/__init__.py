"""The eviction experiment: how long an idle sandbox lives, and what it costs to keep some warm."""

from __future__ import annotations
