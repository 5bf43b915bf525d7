"""The report: one self-contained HTML page of what stored runs say, for people without sebsx.

`build` gathers what the page shows as tables, figures and findings (`sebsx.contracts.analyzers`), the same data that
analyzers hand out; `sebsx.reading.reporting.html.render` draws it. The page holds no script and asks
for nothing outside itself.
"""

from __future__ import annotations

from sebsx.reading.reporting.content import Content, PageSection, build

__all__ = ["Content", "PageSection", "build"]
