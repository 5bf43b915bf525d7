from __future__ import annotations

import pytest

from sebsx.errors import StoreError
from tests.store.conftest import Begun, make_invocation


def test_streamed_invocations_are_stored_with_a_commit_and_not_before(begun: Begun) -> None:
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    for number in (1, 2, 3):
        stream.add([make_invocation(number, samples={"process.cpu_s": number / 4})])
    assert sum(begun.store.counts(begun.run_id).values()) == 0
    stream.commit()
    stored = list(begun.store.view(begun.run_id).invocations())
    assert [each.sequence for each in stored] == [1, 2, 3]
    assert [each.samples for each in stored] == [{"process.cpu_s": number / 4} for number in (1, 2, 3)]
    assert {each.cell_id for each in stored} == {begun.cell}


def test_stream_goes_on_after_a_commit_and_beside_batches(begun: Begun) -> None:
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    stream.add([make_invocation(1)])
    stream.commit()
    begun.add(make_invocation(2))
    stream.add([make_invocation(3)])
    stream.commit()
    stream.commit()
    stream.close()
    assert [each.sequence for each in begun.store.view(begun.run_id).invocations()] == [1, 2, 3]


def test_closing_undoes_what_was_not_committed_and_frees_the_store(begun: Begun) -> None:
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    stream.add([make_invocation(1)])
    stream.close()
    stream.close()
    begun.add(make_invocation(2))
    assert [each.sequence for each in begun.store.view(begun.run_id).invocations()] == [2]


@pytest.mark.parametrize("wrong", [{"nobody.registered_s": 1.0}, {"process.cpu_s": "fast"}])
def test_sample_that_cannot_be_stored_is_an_error_and_frees_the_store(begun: Begun, wrong: dict[str, float]) -> None:
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    with pytest.raises(StoreError, match=next(iter(wrong))):
        stream.add([make_invocation(1, samples=wrong)])
        stream.commit()
    begun.add(make_invocation(2))
    assert [each.sequence for each in begun.store.view(begun.run_id).invocations()] == [2]


def test_sequence_used_twice_is_an_error(begun: Begun) -> None:
    stream = begun.store.stream(begun.run_id, begun.deployment, begun.cell)
    stream.add([make_invocation(1)])
    with pytest.raises(StoreError):
        stream.add([make_invocation(1)])
        stream.commit()
    assert sum(begun.store.counts(begun.run_id).values()) == 0


def test_records_of_a_provider_are_added_to_stored_invocations(begun: Begun) -> None:
    begun.add(make_invocation(1), make_invocation(2))
    second = list(begun.store.view(begun.run_id).invocations(first=2))
    assert [each.sequence for each in second] == [2]
    second[0].provider_duration_s, second[0].cost_usd = 0.125, 2e-6
    begun.store.update_recorded(second)
    stored = list(begun.store.view(begun.run_id).invocations())
    assert [each.provider_duration_s for each in stored] == [None, 0.125]
    assert [each.cost_usd for each in stored] == [None, 2e-6]
