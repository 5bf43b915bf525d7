"""Builds the documentation: `make docs`."""

from __future__ import annotations

import sebsx

project = "sebsx"
author = "the sebsx maintainers"
version = release = sebsx.__version__
extensions = ["myst_parser", "sphinx_click"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"sebsx {release}"
myst_heading_anchors = 3
