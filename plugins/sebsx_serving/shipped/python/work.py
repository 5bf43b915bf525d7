"""What a worker does for a request; run as a program it is a replica of its own, asked line by line."""

import hashlib
import sys
import time

_BLOCK = 64 * 1024
_BLOCKS = 16


class ServedModel:
    """Weights in memory, and an inference that takes about `work_s` of one processor.

    `held` work holds the interpreter lock as Python code does; the other releases it, as engines do while they compute.
    """

    def __init__(self, event):
        self.weights = bytearray(event["model_bytes"])
        for at in range(0, len(self.weights), 4096):
            self.weights[at] = 1
        self._held = event["held"]
        self._data = bytes(_BLOCK)

    def infer(self, rounds):
        """Do so many rounds of work."""
        if self._held:
            total = 0
            for number in range(rounds * 1000):
                total += number & 3
            return total
        for _ in range(rounds):
            hashlib.sha256(self._data).digest()
        return None

    def rounds_for(self, work_s):
        """Return how many rounds take so much time of this thread's processor."""
        best = None
        for _ in range(5):
            started = time.thread_time()
            self.infer(_BLOCKS)
            took = (time.thread_time() - started) / _BLOCKS
            best = took if best is None else min(best, took)
        return max(1, round(work_s / best)) if best else 1


def answer(model, questions, answers):
    """Make an inference of as many rounds as each line says, and answer how long it took."""
    for line in questions:
        started = time.perf_counter()
        model.infer(int(line))
        answers.write(b"%.9f\n" % (time.perf_counter() - started))


def main():
    """Load, say how long that took, and answer."""
    started = time.perf_counter()
    model = ServedModel({"model_bytes": int(sys.argv[1]), "held": sys.argv[2] == "held"})
    answers = open(1, "wb", 0, closefd=False)  # noqa: SIM115  # for as long as it runs
    answers.write(b"%.9f\n" % (time.perf_counter() - started))
    answer(model, sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
