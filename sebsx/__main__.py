"""`python -m sebsx`."""

from __future__ import annotations

from sebsx.cli import main

main()
