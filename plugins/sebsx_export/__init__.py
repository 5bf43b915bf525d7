"""Exporters of sebsx: how results leave for spreadsheets and other tools."""

from __future__ import annotations
