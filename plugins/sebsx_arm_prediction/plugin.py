"""Registers what predicts run times on another processor."""

from __future__ import annotations
