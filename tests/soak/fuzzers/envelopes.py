"""What functions answer: envelopes, whatever they hold, and what is stored of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from sebsx.contracts.platforms import Platform
from sebsx.model import Deployment, Invocation, Kind, Reply, Status
from sebsx.model.envelope import read_answer, read_envelope
from sebsx.running.evidence import Starts
from sebsx.running.invocations import Extras, read_reply
from sebsx.running.samples import Names
from sebsx.store import open_store
from sebsx.testing.contexts import context_for
from sebsx_aws.backend import AwsPlatform
from sebsx_aws.settings import AwsSettings
from sebsx_local.backend import LocalPlatform
from sebsx_local.settings import LocalSettings
from sebsx_url.backend import UrlPlatform, UrlSettings
from tests.soak.fuzzing import JSON, Check, Fuzzer, spliced
from tests.store.conftest import METRICS, RUN, Begun, make_config

FIELDS = (
    "sandbox",
    "call",
    "samples",
    "facts",
    "duration_s",
    "started_s",
    "finished_s",
    "boot_s",
    "import_s",
    "age_s",
    "concurrent",
    "initialization",
    "init_gap_s",
)
_NAMES = st.sampled_from(("phase.x_s", "process.max_rss_bytes", "memory.series", "phase.*_s", "x", ""))
_NUMBERS = st.integers(-5, 5) | st.floats() | st.sampled_from((1e15, 1e300, 10**400, 2**53 + 1))
_SAMPLES = st.dictionaries(_NAMES | st.text(max_size=6), _NUMBERS | JSON, max_size=3)
_SHIMS = st.dictionaries(st.sampled_from(FIELDS), _NUMBERS | JSON, max_size=5) | st.fixed_dictionaries(
    {"sandbox": st.sampled_from(("a", "b")), "call": st.integers(0, 3)},
    optional={"samples": _SAMPLES, "facts": JSON, "duration_s": _NUMBERS, "age_s": _NUMBERS},
)
_ERRORS = JSON | st.fixed_dictionaries({}, optional={"type": JSON, "message": JSON, "traceback": JSON})
_DOCUMENTS = st.fixed_dictionaries({"sebsx": _SHIMS}, optional={"output": JSON, "error": _ERRORS}) | JSON
_DEEP = st.builds(
    lambda piece, count: piece * count, st.sampled_from((b"[", b'{"a":')), st.sampled_from((99, 101, 9**5))
)


def written(document: object, escaped: bool) -> bytes:
    return json.dumps(document, ensure_ascii=escaped).encode("utf-8", "surrogatepass")


BODIES = st.one_of(
    spliced(st.builds(written, _DOCUMENTS, st.booleans())), st.builds(written, _DOCUMENTS, st.booleans()), _DEEP
)


_HEADER_NAMES = (
    "x-sebsx-status",
    "x-sebsx-start",
    "x-amz-function-error",
    "x-amz-log-result",
    "x-amzn-requestid",
    "x-amzn-errortype",
    "location",
    "content-type",
)
_LATIN = st.characters(max_codepoint=255)
_WORDS = st.sampled_from(
    ("ok", "timeout", "Unhandled", "UlNQT1JUIFJlcXVlc3RJZDog", "ExpiredTokenException:")
) | st.text(_LATIN, max_size=20)
_HEADERS = st.dictionaries(st.sampled_from(_HEADER_NAMES), _WORDS, max_size=3)
_STATUSES = st.sampled_from((200, 202, 301, 400, 403, 413, 429, 500, 502, 504, 507, 999))
ANSWERS = st.tuples(_STATUSES, _HEADERS, BODIES)
CLASSES: tuple[tuple[type[Platform[Any]], Any], ...] = (
    (UrlPlatform, UrlSettings()),
    (AwsPlatform, AwsSettings()),
    (LocalPlatform, LocalSettings()),
)


@dataclass
class Reading:
    """Reads answers as a run does: into invocations, and those into a store."""

    begun: Begun
    platforms: list[Platform[Any]]
    stored: int = 0

    def __call__(self, answer: tuple[int, dict[str, str], bytes]) -> None:
        status, headers, body = answer
        _hold_typed(body)
        for platform in self.platforms:
            self.stored += 1
            reply = Reply(
                f"r{self.stored}", intended_s=1.0, sent_s=1.0, connected_s=1.0, first_byte_s=1.5, done_s=2.0,
                http_status=status, headers=headers, body=body, bytes_out=2,
            )  # fmt: skip
            self.begun.add(self._read(platform, reply))
        (last,) = list(self.begun.store.view(RUN).invocations(first=self.stored))
        assert last.sequence == self.stored

    def _read(self, platform: Platform[Any], reply: Reply) -> Invocation:
        config = make_config()
        invocation, envelope = read_reply(
            reply,
            platform=platform,
            deployment=Deployment("f", config, effective={}, adopted=isinstance(platform, UrlPlatform)),
            record=None,
            starts=Starts(),
            names=Names([metric.name for metric in METRICS]),
            check=lambda _output: None,
            sequence=self.stored,
            batch=self.stored,
            kind=Kind.MEASURED,
        )
        Extras().add(invocation, envelope)
        assert (invocation.status is Status.OK) == (invocation.error is None)
        return invocation


def _hold_typed(body: bytes) -> None:
    for read in (read_envelope, read_answer):
        envelope = read(body)
        for value in (envelope.duration_s, envelope.age_s, envelope.started_s, envelope.finished_s):
            assert value is None or (type(value) in (int, float) and 0 <= value < 1e12)
        assert envelope.sandbox_id is None or envelope.sandbox_id.isprintable()
        assert envelope.call is None or 0 <= envelope.call < 2**63
        assert all(type(value) in (int, float) and abs(value) <= 1e300 for value in envelope.samples.values())


@contextmanager
def opened(folder: Path) -> Iterator[Check]:
    with open_store(folder / "store.sqlite") as store:
        made = [cls(settings, context_for(cls, folder)) for cls, settings in CLASSES]
        yield Reading(Begun(store), made)


FUZZER = Fuzzer(
    name="envelopes",
    promise="every field of an answer is typed and bounded, or its invocation failed; either can be stored",
    inputs=ANSWERS,
    opened=opened,
)
