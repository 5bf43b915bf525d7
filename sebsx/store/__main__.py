"""A process that reads some spans of a run for another one (`sebsx.store.spreading`)."""

from __future__ import annotations

import gc
import os
import pickle
import sys
from typing import Any

from sebsx.store.bulk import BulkReader
from sebsx.store.engine import open_database


def main() -> None:
    """Do the work that comes on standard input; answer with pickles of a value and an error, one of them None."""
    gc.disable()  # rows make no cycles, and looking for them takes a fifth of the time
    target, key, work, spans = pickle.load(sys.stdin.buffer)  # noqa: S301  # from our own process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed is not an answer
    reader = BulkReader(open_database(target, read_only=True), key)
    for span in spans:
        try:
            answer: tuple[Any, Exception | None] = work(reader, span), None
        except Exception as error:  # noqa: BLE001  # raised again where it is waited for
            answer = None, error
        try:
            pickle.dump(answer, answers, protocol=5)
            answers.flush()
        except BrokenPipeError:  # nobody waits for it any more
            os._exit(0)


if __name__ == "__main__":
    main()
