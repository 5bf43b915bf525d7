"""Offers: what comes of a request, for sizes, quantities and words."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sebsx.model import Between, Offers, OneOf, Option
from sebsx.model.offers import distinct, fit
from sebsx.model.options import MIN_INSTANCES, PACKAGE, VCPU, WELL_KNOWN

FLEX = OneOf((512, 2048, 4096))
STEPS = Between(128, 3008, step=64)


@pytest.mark.parametrize(
    ("offer", "asked", "given"),
    [
        (FLEX, 1, 512), (FLEX, 512, 512), (FLEX, 513, 2048), (FLEX, 4096, 4096), (FLEX, 4097, None),
        (OneOf((1536,)), 256, 1536), (OneOf((1536,)), 2048, None),
        (STEPS, 64, 128), (STEPS, 129, 192), (STEPS, 3008, 3008), (STEPS, 3009, None),
        (Between(0.1, 2, step=0.1), 0.3, 0.3), (Between(0.1, 2, step=0.1), 0.31, 0.4),
        (Between(0.5, 8, step=0), 1.234, 1.234),
        (Between(0, math.inf), 7, 7), (Between(0, 10, step=4), 9, None),
        (OneOf(("zip", "image")), "zip", "zip"), (OneOf(("zip", "image")), "jar", None), (FLEX, "much", None),
        (OneOf((False, True)), True, True), (OneOf((False,)), True, None), (STEPS, math.nan, None),
    ],
)  # fmt: skip
def test_request_is_rounded_up_to_the_nearest_offer(offer, asked, given):
    assert offer.fit(asked) == given


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(st.integers(1, 500), st.integers(0, 500), st.integers(1, 70), st.integers(-10, 1200))
def test_what_is_given_is_offered_enough_and_no_step_too_much(smallest, span, step, asked):
    offer = Between(smallest, smallest + span, step=step)
    found = offer.fit(asked)
    if found is None:
        assert asked > smallest + span // step * step
        return
    assert found >= asked
    assert offer.fit(found) == found
    assert found == smallest or found - step < asked
    assert (found - smallest) % step == 0


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (Between(128, 10240), "128 to 10240"), (STEPS, "128 to 3008 in steps of 64"),
        (Between(0, math.inf), "0 or more"), (FLEX, "512, 2048 or 4096"),
        (OneOf((1536,)), "1536"), (OneOf((False, True)), "false or true"),
    ],
)  # fmt: skip
def test_offer_says_what_there_is(offer, words):
    assert str(offer) == words


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        (VCPU, "2", 2.0), (VCPU, "0.5", 0.5), (MIN_INSTANCES, "3", 3), (PACKAGE, "zip", "zip"),
        (Option(name="on", kind=bool, help="h"), "yes", True), (Option(name="on", kind=bool, help="h"), False, False),
    ],
)  # fmt: skip
def test_option_is_read_as_its_kind(option, text, value):
    found = option.read(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("option", "text"),
    [(VCPU, "two"), (VCPU, "-1"), (VCPU, "nan"), (VCPU, True), (MIN_INSTANCES, "1.5"), (MIN_INSTANCES, ""),
     (Option(name="on", kind=bool, help="h"), "maybe")],
)  # fmt: skip
def test_option_refuses_what_is_not_of_its_kind(option, text):
    with pytest.raises(ValueError, match="is wanted"):
        option.read(text)


def test_option_has_a_name_in_snake_case():
    with pytest.raises(ValueError, match="snake_case"):
        Option(name="min-instances", kind=int, help="h")


def test_well_known_options_say_what_they_count():
    assert all(option.unit for option in WELL_KNOWN.values() if option.kind in (int, float))
    assert all(option.offer is None for option in WELL_KNOWN.values()), "a noun offers nothing"


OFFERS = Offers(memory_mib=FLEX, options=(VCPU.offered(Between(1, 4)), PACKAGE.offered(OneOf(("zip",)))))


def test_both_what_was_asked_and_what_is_offered_are_levels():
    found = fit(OFFERS, 256, {"vcpu": 1.5, "package": "zip"}, "platform 'flex'")
    assert found.unsupported is None
    assert found.factors == {
        "memory_mib": 256, "memory_offered_mib": 512, "vcpu": 1.5, "vcpu_offered": 2.0, "package": "zip",
    }  # fmt: skip
    assert found.label == "256 -> 512 MiB, vcpu 1.5 -> 2, package zip"
    assert fit(OFFERS, 512, {}, "platform 'flex'").factors == {"memory_mib": 512}


@pytest.mark.parametrize(
    ("memory_mib", "options", "reason"),
    [
        (8192, {}, "8192 MiB is not offered; platform 'flex' has 512, 2048 or 4096 MiB"),
        (512, {"vcpu": 8.0}, "vcpu 8 is not offered; platform 'flex' has 1 to 4 vCPU"),
        (512, {"package": "image"}, "package image is not offered; platform 'flex' has zip"),
        (512, {"gpu": 1}, "platform 'flex' has no option 'gpu'"),
    ],
)
def test_what_cannot_be_had_has_a_reason(memory_mib, options, reason):
    found = fit(OFFERS, memory_mib, options, "platform 'flex'")
    assert found.unsupported == reason
    assert found.factors == {"memory_mib": memory_mib, **options}
    assert found.refused("later").unsupported == reason


def test_requests_that_come_to_the_same_are_one():
    found = distinct([fit(OFFERS, size, {}, "flex") for size in (128, 256, 512, 1024, 8192, 9000)])
    assert [(one.memory_mib, one.memory_offered_mib, one.same_as) for one in found] == [
        (512, 512, (128, 256)), (1024, 2048, ()), (8192, 8192, ()), (9000, 9000, ()),
    ]  # fmt: skip
