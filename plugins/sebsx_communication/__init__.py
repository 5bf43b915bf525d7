"""The communication experiment: what a message between two functions takes, costs, and by which channel."""

from __future__ import annotations
