"""The study's four questions, one sentence each with its interval, and what a reader must know beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx import stats
from sebsx.reading.units import percent
from sebsx_arm_prediction.analyzer_tables import best_scope
from sebsx_arm_prediction.models import ADDED
from sebsx_arm_prediction.scopes import ALL_IN_ONE, ARM_SPEED, FUNCTION_SPECIFIC
from sebsx_arm_prediction.validation import LEAST_FOR_TEST, differences, mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sebsx_arm_prediction.study import Evaluation

_LEAST_FOR_INTERVAL = 2  # functions
_SAMPLES = 10  # of which the plurality is told, as in the study


def answers(found: Evaluation, *, on_provider: bool) -> Iterator[str]:
    """Yield the answers to RQ-1 to RQ-4, one sentence each with its interval, or why there is none.

    Args:
        found: All that was fitted and tested.
        on_provider: Whether what was profiled ran at a provider rather than on a machine of one's own.
    """
    yield _of_one_function(found)
    yield _of_functions_not_seen(found)
    yield _of_classes(found)
    yield _outside(found, on_provider=on_provider)


def _of_one_function(found: Evaluation) -> str:
    errors = found.errors(FUNCTION_SPECIFIC)
    if not errors:
        return "RQ-1: not measured: models of single functions are tested on a second campaign, and there is none."
    return (
        f"RQ-1: models of one function ({found.chosen[FUNCTION_SPECIFIC]}) predict it in a second campaign with an "
        f"error of {percent(mean(errors.values()), 1)}{_interval(errors)}."
    )


def _of_functions_not_seen(found: Evaluation) -> str:
    scope = best_scope(found)
    if scope is None:
        return "RQ-2: not measured: there are too few functions to leave one out."
    name = found.chosen[scope]
    errors, base, where = _not_seen(found, scope)
    verdict = "no better than" if mean(errors.values()) >= mean(base.values()) else "where it is"
    return (
        f"RQ-2: {scope} {name} errs by {percent(mean(errors.values()), 1)}{_interval(errors)} on {where}, {verdict} "
        f"{percent(mean(base.values()), 1)} by saying the same time."
    )


def _not_seen(found: Evaluation, scope: str) -> tuple[Mapping[str, float], Mapping[str, float], str]:
    """Return the errors of functions that were not seen, those of saying the same time, and which functions they are.

    Functions that the campaign kept back are taken where they are enough for an interval, else each training function
    left out in turn.
    """
    base_key = (ALL_IN_ONE, "same-time")
    errors, left_out = found.errors(scope, found.unseen), found.left_out[scope, found.chosen[scope]].errors
    if base_key in found.tested and errors and (len(errors) >= LEAST_FOR_TEST or len(left_out) <= len(errors)):
        base = {each: error for each, error in found.tested[base_key].errors.items() if each in errors}
        return errors, base, f"{len(errors)} functions that were not seen"
    return left_out, found.left_out[base_key].errors, f"{len(left_out)} functions, each left out"


def _outside(found: Evaluation, *, on_provider: bool) -> str:
    source, target = found.pairs.source_name, found.pairs.target_name
    if on_provider:
        return f"RQ-4: not measured: {source} is a provider's; a campaign from --platform local answers it."
    scope, own = best_scope(found), found.errors(FUNCTION_SPECIFIC)
    parts = []
    if scope is not None:
        errors, _, where = _not_seen(found, scope)
        parts.append(
            f"{scope} {found.chosen[scope]} errs by {percent(mean(errors.values()), 1)}{_interval(errors)} on {where}"
        )
    if own:
        parts.append(f"models of one function by {percent(mean(own.values()), 1)}{_interval(own)} in a second campaign")
    if not parts:
        return "RQ-4: not measured: there are too few functions to leave one out, and no second campaign."
    return f"RQ-4: outside of FaaS, from {source} to {target}, {', and '.join(parts)}."


def _of_classes(found: Evaluation) -> str:
    if not found.classifiers:
        return "RQ-3: not measured: all functions are of one class, or too few to leave one out."
    name, matrix = next(iter(found.classifiers.items()))
    shares = f"{percent(matrix.accuracy or 0, 1)} of the samples of functions left out"
    at = dict(found.voting)
    votes = ""
    if 1 in at and _SAMPLES in at:
        one, several = percent(at[1], 1), percent(at[_SAMPLES], 1)
        votes = f"; of functions not seen, {one} with one sample and {several} with {_SAMPLES}"
    ends = interval_of_share(matrix.accuracy or 0.0, len(found.train))
    return f"RQ-3: {name} recognises the class of {shares}{ends}{votes}."


def interval_of_share(share: float, functions: int) -> str:
    """Return the interval of a share of which each function is one observation: rows of one repeat each other."""
    import math

    if not functions:
        return ""
    z = 1.96  # Wilson, Probable Inference (1927)
    middle = (share + z * z / (2 * functions)) / (1 + z * z / functions)
    half = z * math.sqrt(share * (1 - share) / functions + z * z / (4 * functions**2)) / (1 + z * z / functions)
    return f" ({percent(max(0.0, middle - half))} to {percent(min(1.0, middle + half))} for {functions} functions)"


def remarks(found: Evaluation) -> Iterator[str]:
    """Yield what stands beside the answers: scopes and methods compared, coverage, steps on one machine alone."""
    yield from _about_arm_speed(found)
    for name in ADDED:
        scopes = [scope for scope, chosen in found.chosen.items() if chosen == name]
        if any(method == name for _, method in found.left_out) and not scopes:
            yield f"{name} is not recommended: on functions left out it does not beat the study's methods beyond chance"
    if found.half is not None and found.level is not None:
        share = "was not measured" if found.covered is None else f"was {percent(found.covered)}"
        import math

        yield (
            f"prediction intervals of {percent(found.level)} reach from 1/{math.exp(found.half):.2f} to "
            f"{math.exp(found.half):.2f} times the prediction; their coverage of functions not seen {share}"
        )
    if found.pairs.unpaired:
        yield f"{len(found.pairs.unpaired)} steps were measured on one machine alone and are left out"


def _about_arm_speed(found: Evaluation) -> Iterator[str]:
    keys = [(scope, found.chosen.get(scope, "")) for scope in (ARM_SPEED, ALL_IN_ONE)]
    if any(key not in found.left_out for key in keys):
        return
    errors = {key[0]: found.left_out[key].errors for key in keys}
    told = differences(errors, ALL_IN_ONE)
    by = f"{percent(mean(errors[ARM_SPEED].values()), 1)} against {percent(mean(errors[ALL_IN_ONE].values()), 1)}"
    if told and told[0].is_better:
        yield f"ARM-speed errs less than all-in-one on functions left out: {by} (p = {told[0].p:.2g})"
    else:
        p = f", p = {told[0].p:.2g}" if told else ", too few functions to test"
        yield f"ARM-speed is not shown to be better than all-in-one on functions left out: {by}{p}"


def _interval(errors: Mapping[str, float]) -> str:
    """Return the interval of the typical error of functions: of 95 %, or of what so few functions allow."""
    count = len(errors)
    if count < _LEAST_FOR_INTERVAL:
        return f" (mean of {count} function{'s' if count != 1 else ''}: no interval)"
    confidence = 0.95 if count >= LEAST_FOR_TEST else 1 - 2.0 ** (1 - count)  # the extremes hold the centre so often
    _, ends = stats.signed_rank_interval(list(errors.values()), confidence)
    low, high = percent(max(0.0, ends.low), 1), percent(ends.high, 1)
    at = "" if count >= LEAST_FOR_TEST else f" with {percent(confidence)} confidence, all that {count} functions allow"
    return f" (mean of {count} functions; typical error {low} to {high}{at})"
