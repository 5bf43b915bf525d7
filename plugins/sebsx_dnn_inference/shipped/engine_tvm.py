"""Serves a model that TVM compiled, by its runtime alone: a library beside the model, and the package `tvm_ffi`."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np
import tvm_ffi

_ALIGNMENT = 64  # bytes
_CPU, _POOLED = 1, 2  # kDLCPU; an allocator that keeps what it freed


def load(path, threads):
    """Return the virtual machine of a compiled model, what keeps it there, and the order of its inputs."""
    os.environ["TVM_NUM_THREADS"] = str(threads)  # read when the first operator runs in parallel
    runtime = ctypes.CDLL(str(Path(path).with_name("libtvm_runtime.so")), ctypes.RTLD_GLOBAL)
    library = tvm_ffi.load_module(str(path))
    machine = library["vm_load_executable"]()
    machine["vm_initialization"](_CPU, 0, _POOLED)
    names = Path(path).with_name("inputs").read_text(encoding="utf-8").split("\n")
    return machine["main"], names, (runtime, library, machine)


def run(loaded, inputs):
    """Return the first output."""
    main, names, _ = loaded
    found = main(*(tvm_ffi.from_dlpack(_aligned(inputs[name])) for name in names))
    return np.from_dlpack(found if isinstance(found, tvm_ffi.Tensor) else found[0])


def told(loaded):
    """Return what it is."""
    return {"engine": "tvm, tvm_ffi " + tvm_ffi.__version__}


def _aligned(values):
    """Return a copy that begins where compiled code expects it to."""
    held = np.empty(values.nbytes + _ALIGNMENT, dtype=np.uint8)
    begin = -held.ctypes.data % _ALIGNMENT
    copy = held[begin : begin + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy
