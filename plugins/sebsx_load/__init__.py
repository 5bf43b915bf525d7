"""The load experiment: what a function does under a rate, a crowd of users, a burst, or a recorded trace."""

from __future__ import annotations
