"""Builds the documentation: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import sebsx

sys.path.insert(0, str(Path(__file__).parent))  # for the generator below, which is part of the docs

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "sebsx"
author = "the sebsx maintainers"
version = release = sebsx.__version__
extensions = ["myst_parser", "sphinx_click", "sphinxcontrib.mermaid"]
myst_fence_as_directive = ["mermaid"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"sebsx {release}"
myst_heading_anchors = 3


def setup(app: Sphinx) -> None:
    """Have the pages of benchmarks and platforms and the example of a report written before the sources are read."""
    import benchmark_pages  # beside this file
    import platform_pages
    import report_picture

    app.connect("builder-inited", lambda _app: benchmark_pages.write(Path(app.srcdir) / "_generated" / "benchmarks"))
    app.connect("builder-inited", lambda _app: platform_pages.write(Path(app.srcdir) / "_generated" / "platforms.md"))
    app.connect("builder-inited", lambda _app: report_picture.write(Path(app.srcdir) / "_generated"))
