"""Google Cloud Run functions (second generation) as a platform."""

from __future__ import annotations
