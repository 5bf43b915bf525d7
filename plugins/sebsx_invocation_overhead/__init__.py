"""The invocation-overhead experiment: how long a payload or a package delays the start of the handler."""

from __future__ import annotations
