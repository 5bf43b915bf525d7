"""The platform `url`: whatever answers at a URL, on any provider, measured as it is."""

from __future__ import annotations
