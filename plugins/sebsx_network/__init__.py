"""The network experiment: round trips between client and sandbox, and between sandbox and object storage."""

from __future__ import annotations
