"""Serves a model: one inference a call, or a pool of workers that lives on between calls and makes its own load."""

import os
import socket
import time

import serving
import work

_held = {}


def handler(event, context):
    """Do what the event asks for."""
    output = {"serve": _serve, "saturate": _saturate, "start": _start, "period": _period, "stop": _stop}[event["do"]](
        event, context
    )
    output["do"] = event["do"]
    return output


def _serve(event, context):
    """Make one inference, as a function does whose platform scales it."""
    if "model" not in _held:
        started = time.perf_counter()
        _held["model"] = work.ServedModel(event)
        _held["load_s"] = time.perf_counter() - started
    started = time.perf_counter()
    _held["model"].infer(event["rounds"])
    service_s = time.perf_counter() - started
    return {"service_s": service_s, "load_s": _held["load_s"], "pss_bytes": serving.pss([os.getpid()])}


def _saturate(event, context):
    """Keep a number of workers busy for a time; return how many inferences they completed."""
    server = serving.ModelServer(event)
    try:
        server.widen(event["workers"])
        server.wait_until_ready(event["workers"])
        completed, seconds = server.saturate(event["seconds"])
        return {"completed": completed, "seconds": seconds, "rounds": server.rounds, "pss_bytes": server.memory(),
                **server.starts()}  # fmt: skip
    finally:
        server.close()


def _start(event, context):
    """Begin to serve with some workers, and to load the server with requests."""
    if "server" in _held:
        raise RuntimeError("this sandbox serves already")
    server = _held["server"] = serving.ModelServer(event)
    server.widen(event["workers"])
    server.wait_until_ready(event["workers"])
    server.begin(event["load"])
    return {"host": socket.gethostname(), "rounds": server.rounds}


def _period(event, context):
    """Go on for a while with so many workers and processors, and return what happened meanwhile."""
    server = _held.get("server")
    if server is None:
        raise RuntimeError("this sandbox serves nothing: it is not the one that was started")
    _limit(event["cpus"] if event["affinity"] else None)
    server.widen(event["workers"])
    found = server.period(event["until_s"])
    context.samples["serving.period"] = {**found, "workers": event["workers"], "cpus": event["cpus"]}
    return {**found, **server.starts()}


def _stop(event, context):
    server = _held.pop("server", None)
    if server is not None:
        server.close()
    return {}


def _limit(cpus):
    """Let this process and all its threads and children run on so many processors; None leaves them alone."""
    if cpus is None:
        return
    allowed = _held.setdefault("cpus", sorted(os.sched_getaffinity(0)))
    few = allowed[: max(1, min(cpus, len(allowed)))]
    for process in [os.getpid(), *_held["server"].children()]:
        for thread in _threads(process):
            try:
                os.sched_setaffinity(thread, few)
            except ProcessLookupError:  # ended meanwhile
                continue


def _threads(process):
    try:
        return [int(name) for name in os.listdir("/proc/%d/task" % process)]
    except FileNotFoundError:
        return []
