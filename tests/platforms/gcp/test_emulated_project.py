"""The project that tests of gcp run against is held to Google's documents: what is wrong is caught."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.emulated_gcp import PROJECT, REGION, EmulatedProject
from tests.emulated_gcp.contract import ViolationError, api

pytestmark = [pytest.mark.slow]
PLACE = f"/v2/projects/{PROJECT}/locations/{REGION}/functions"
FUNCTION: dict[str, Any] = {
    "name": f"projects/{PROJECT}/locations/{REGION}/functions/f-one", "environment": "GEN_2",
    "labels": {"sebsx-run": "x"},
    "buildConfig": {
        "runtime": "python311", "entryPoint": "handler", "environmentVariables": {"A": "b"},
        "source": {"storageSource": {"bucket": "b", "object": "o.zip", "generation": "1"}},
    },
    "serviceConfig": {
        "availableMemory": "256Mi", "timeoutSeconds": 60, "maxInstanceCount": 1, "allTrafficOnLatestRevision": True,
        "environmentVariables": {"A": "b"}, "secretVolumes": [{"mountPath": "/x", "secret": "s"}],
    },
}  # fmt: skip


def paths(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value in a document."""
    if way:
        yield way
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(item, (*way, key))


def put(document: dict[str, Any], way: tuple[Any, ...], value: Any) -> None:
    place: Any = document
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value


def wrong_kinds(value: Any) -> list[Any]:
    """Return values that are of another kind than one is."""
    others = ["text", 1.5, True, {"a": "b"}, ["x"], 2**40]  # the last is no int32
    return [other for other in others if type(other) is not type(value) or other == 2**40]


def test_every_wrong_type_in_a_request_is_caught() -> None:
    create = api("cloudfunctions.v2").method("POST", PLACE)
    create.check_request({"functionId": ["f-one"]}, FUNCTION)
    tried = 0
    for way in paths(FUNCTION):
        value = FUNCTION
        for key in way:
            value = value[key]
        for wrong in wrong_kinds(value):
            if way[-1] == "generation" and wrong == 2**40:
                continue  # int64 may come as a number
            changed = copy.deepcopy(FUNCTION)
            put(changed, way, wrong)
            with pytest.raises(ViolationError):
                create.check_request({"functionId": ["f-one"]}, changed)
            tried += 1
    assert tried > 80


def test_every_wrong_name_in_a_request_is_caught() -> None:
    create = api("cloudfunctions.v2").method("POST", PLACE)
    free = {"labels", "environmentVariables"}  # of names that are the user's
    for way in paths(FUNCTION):
        if isinstance(way[-1], int) or free & set(way[:-1]):
            continue
        changed = copy.deepcopy(FUNCTION)
        place: Any = changed
        for key in way[:-1]:
            place = place[key]
        place[f"{way[-1]}X"] = place.pop(way[-1])
        with pytest.raises(ViolationError, match="has no property"):
            create.check_request({"functionId": ["f-one"]}, changed)


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("PUT", PLACE, {}, None),
        ("POST", f"{PLACE}:generateUploadURL", {}, {}),
        ("PATCH", PLACE, {}, FUNCTION),
        ("POST", PLACE, {"functionID": ["f-one"]}, FUNCTION),
        ("GET", PLACE, {"pageSize": ["many"]}, None),
        ("GET", PLACE, {}, {"a": 1}),
        ("POST", PLACE, {}, {**FUNCTION, "state": "ACTIVE"}),  # for answers only
        ("POST", PLACE, {}, {**FUNCTION, "environment": "GEN_3"}),
        ("PATCH", f"{PLACE}/f-one", {"updateMask": ["service config"]}, FUNCTION),
    ],
)
def test_wrong_method_path_parameter_or_value_is_caught(
    method: str, path: str, query: dict[str, list[str]], body: Any
) -> None:
    with pytest.raises(ViolationError):
        api("cloudfunctions.v2").method(method, path).check_request(query, body)


@pytest.mark.parametrize(
    ("document", "method", "path", "body"),
    [
        ("logging.v2", "POST", "/v2/entries:list", {"resourceNames": ["projects/p"], "filter": "a", "pageSize": 3}),
        ("firestore.v1", "POST", "/v1/projects/p/databases/(default)/documents:commit", {"writes": [{"delete": "d"}]}),
        ("firestore.v1", "POST", "/v1/projects/p/databases/(default)/documents/a/b:runQuery",
         {"structuredQuery": {"from": [{"collectionId": "c"}], "limit": 3}}),
        ("storage.v1", "POST", "/storage/v1/b", {"name": "b", "labels": {"a": "b"}}),
    ],
)  # fmt: skip
def test_other_documents_are_held_as_well(document: str, method: str, path: str, body: dict[str, Any]) -> None:
    found = api(document).method(method, path)
    query = {"project": ["p"]} if document == "storage.v1" else {}
    found.check_request(query, body)
    for key in body:
        with pytest.raises(ViolationError):
            found.check_request(query, {f"{key}X": body[key]})
        with pytest.raises(ViolationError):
            found.check_request(query, {**body, key: 1.5})


def test_stand_in_refuses_and_remembers_what_is_wrong_and_says_nothing_wrong(one_project: EmulatedProject) -> None:
    one_project.reset()
    token = one_project.identities.of_machine()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    http = urllib3.PoolManager()
    wrong = {**FUNCTION, "timeout": "60s"}
    answer = http.request("POST", f"{one_project.url}{PLACE}?functionId=f-one", body=json.dumps(wrong), headers=headers)
    assert answer.status == 400
    assert one_project.violations == ["cloudfunctions.projects.locations.functions.create has no property 'timeout'"]
    method = api("cloudfunctions.v2").method("GET", f"{PLACE}/f-one")
    with pytest.raises(ViolationError):  # answers are held to the same
        method.check_answer({"state": "FINE"})
    assert http.request("GET", f"{one_project.url}{PLACE}").status == 401
    http.clear()
