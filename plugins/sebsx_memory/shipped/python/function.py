"""Holds a model as one strategy has it, in this process or in several that were forked after loading."""

import json
import os
import time

import replica

_held = {}


def handler(event, context):
    """Do one thing in every replica of this sandbox, and stay busy for `hold_s` so that others meet other sandboxes."""
    started = time.monotonic()
    output = {"do": event["do"], "boot": _boot(), "refused": "", "replicas": []}
    try:
        if event["do"] == "load":
            _load(event)
        elif not _held:
            raise RuntimeError("this sandbox holds no model: it is not one of those that were loaded")
        output["replicas"] = [_held["replica"].answer(event), *[_ask(child, event) for child in _held["children"]]]
    except replica.RefusedError as exc:
        output["refused"] = str(exc)
    time.sleep(max(0.0, event["hold_s"] - (time.monotonic() - started)))
    return output


def _boot():
    """Return what tells kernels apart; empty where there is no such file."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def _load(event):
    if _held:
        raise RuntimeError("this sandbox holds a model already")
    mine = replica.Replica(event)
    children = []
    for _ in range(event["processes"] - 1):
        children.append(_fork(mine, event, children))
    mine.own(event)
    _held.update(replica=mine, children=children)


def _fork(mine, event, before):
    """Return the files that lead to and from a child that answers as this process does."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    if os.fork():
        os.close(to_read)
        os.close(from_write)
        return os.fdopen(to_write, "wb", 0), os.fdopen(from_read, "rb")
    # Whoever keeps an end of a sibling's pipe keeps it from noticing that the parent is gone.
    for files in before:
        for each in files:
            os.close(each.fileno())
    os.close(to_write)
    os.close(from_read)
    try:
        _serve(mine, event, os.fdopen(to_read, "rb"), os.fdopen(from_write, "wb", 0))
    finally:
        os._exit(0)


def _serve(mine, event, questions, answers):
    mine.own(event)
    for line in questions:
        try:
            answer = mine.answer(json.loads(line))
        except replica.RefusedError as exc:
            answer = {"refused": str(exc)}
        answers.write(json.dumps(answer).encode() + b"\n")


def _ask(child, event):
    questions, answers = child
    questions.write(json.dumps(event).encode() + b"\n")
    line = answers.readline()
    if not line:
        raise RuntimeError("a forked replica ended")
    answer = json.loads(line)
    if answer.get("refused"):
        raise replica.RefusedError(answer["refused"])
    return answer
