"""The door that answers in AWS's protocols come in by: what is not in the protocol of the question is refused there.

boto3 takes whatever comes for what it expects: a proxy's page for success, any server's 404 for the end of a resource.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sebsx.clouds.failures import ProviderFailure
from sebsx.model.untrusted import UntrustedJsonError, parse_json
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Mapping

_XML = re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?<(?!html\b)[a-z]", re.IGNORECASE)
_GONE = 404
# By which S3 says where a bucket is, to whoever asked elsewhere; boto3 then asks there.
_BUCKET_REGION = "x-amz-bucket-region"


def check_answers(session: Any) -> None:
    """Refuse answers to the clients of a session of boto3 that are in no protocol of AWS's; see `unreadable`.

    Only where boto3 would believe their status. Other errors are its own: front ends of AWS write pages too, and who is
    busy is asked again.
    """
    # By this name it comes before boto3's own look at S3, which takes a page for an error that passes.
    session.events.register("before-parse.*.*", _check)


def unreadable(advice: str) -> Mapping[str, ProviderFailure]:
    """Return what it means that an answer was refused, or is not what the protocol promises: rows of `ProviderErrors`.

    Args:
        advice: What to look at, as a question.
    """
    garbled = ProviderFailure(text=f"{{what}}: the answer cannot be read ({{kind}}); {advice}")
    return {
        "botocore.parsers.ResponseParserError": ProviderFailure(
            text=f"{{what}}: the answer cannot be read: {{said:.200}}; {advice}"
        ),
        "builtins.KeyError": ProviderFailure(text=f"{{what}}: the answer has no {{said:.80}}; {advice}"),
        "builtins.IndexError": garbled,
        "builtins.AttributeError": garbled,
        "builtins.RecursionError": garbled,
        "builtins.TypeError": garbled,
        "builtins.ValueError": garbled,
    }


def _check(operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
    service, body = operation_model.service_model, response_dict["body"]
    if not isinstance(body, bytes):  # an object, which is read later
        return
    protocol, method = str(getattr(service, "resolved_protocol", service.protocol)), operation_model.http["method"]
    if wrong := _wrong(protocol, method, response_dict["status_code"], response_dict["headers"], body):
        raise require("botocore.parsers", extra="aws").ResponseParserError(wrong)


def _wrong(protocol: str, method: str, status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Return what is wrong with an answer; empty if nothing is."""
    foreign = _foreign(protocol, body)
    if status // 100 == 3:
        place = urlsplit(headers.get("location", ""))._replace(path="", query="", fragment="").geturl()
        told = _BUCKET_REGION in headers or not foreign
        return "" if told else f"requests are sent on to {place or 'another path'!r}"
    if status // 100 == 2:
        return foreign if body else ""
    return foreign if status == _GONE and method != "HEAD" else ""


def _foreign(protocol: str, body: bytes) -> str:
    """Return how a body is in another protocol; empty if it is not."""
    if "xml" in protocol or protocol == "query":
        return "" if _XML.match(body) else "it is not XML"
    if "json" not in protocol:
        return ""
    try:
        return "" if isinstance(parse_json(body), dict) else "it is not an object"
    except UntrustedJsonError as exc:
        return str(exc)
