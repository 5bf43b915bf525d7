"""JUnit XML, as CI systems read it: one document of cases, whatever they stand for.

There is no standard; https://github.com/testmoapp/junitxml tells what readers agree on (read in November 2026). GitLab
shows neither suites, properties nor messages, so everything that matters stands in the name and the body of a case.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from sebsx.system.outside import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PASSED, FAILURE, ERROR, SKIPPED = "passed", "failure", "error", "skipped"
_COUNTED = {"failures": FAILURE, "errors": ERROR, "skipped": SKIPPED}
# What XML 1.0 cannot hold in any form: control characters and half characters.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of a CI system's list of tests.

    Args:
        classname: Group within the suite.
        name: Says what it is without the rest.
        time_s: Shown as its duration.
        outcome: `passed`, `failure`, `error` or `skipped`.
        kind: Word for the kind of a failure or error.
        message: One line: why it is not passed.
        body: Text with all that matters.
    """

    classname: str
    name: str
    time_s: float
    outcome: str = PASSED
    kind: str = ""
    message: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases of one suite with what is known of all of them."""

    name: str
    cases: Sequence[Case]
    _: KW_ONLY
    timestamp: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


def document(name: str, suites: Sequence[Suite]) -> str:
    """Return a document; characters that nobody sees are written as escapes, since XML cannot hold them."""
    root = ET.Element("testsuites", _tally(name, [case for suite in suites for case in suite.cases]))
    for suite in suites:
        element = ET.SubElement(root, "testsuite", _tally(suite.name, suite.cases))
        if suite.timestamp:
            element.set("timestamp", suite.timestamp)
        if suite.properties:
            properties = ET.SubElement(element, "properties")
            for key, value in suite.properties.items():
                ET.SubElement(properties, "property", name=_clean(key), value=_clean(value))
        for case in suite.cases:
            _add(element, case)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add(suite: ET.Element, case: Case) -> None:
    element = ET.SubElement(
        suite, "testcase", classname=_clean(case.classname), name=_clean(case.name), time=f"{case.time_s:.6f}"
    )
    if case.outcome == PASSED:
        told = ET.SubElement(element, "system-out")
    else:
        told = ET.SubElement(element, case.outcome, message=_clean(case.message))
        if case.kind:
            told.set("type", _clean(case.kind))
    told.text = _clean(case.body)


def _tally(name: str, cases: Sequence[Case]) -> dict[str, str]:
    counts = {word: str(sum(case.outcome == outcome for case in cases)) for word, outcome in _COUNTED.items()}
    return {
        "name": _clean(name),
        "tests": str(len(cases)),
        **counts,
        "time": f"{sum(case.time_s for case in cases):.6f}",
    }


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", visible(text))
