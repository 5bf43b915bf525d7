"""What the function's side of every channel is made of."""

import time

POLL_S = 0.001


class Lost(Exception):  # noqa: N818  # its name is what users read in results
    """No message within the time; it may be asked for again."""


class Unreachable(Exception):  # noqa: N818  # as above
    """The channel is not available from this sandbox at all."""


class End:
    """One end of a channel; `operations` counts what is billed or worth knowing."""

    def __init__(self, parameters):
        self.operations = {}
        self._poll_s = parameters.get("poll_s", POLL_S)

    def count(self, name, number=1):
        """Count operations."""
        self.operations[name] = self.operations.get(name, 0) + number

    def poll(self, ask, timeout_s):
        """Ask until there is an answer; None is no answer. Each try without one is counted as a poll."""
        until = time.perf_counter() + timeout_s
        while True:
            found = ask()
            if found is not None:
                return found
            self.count("poll")
            if time.perf_counter() > until:
                raise Lost("no message within %g s" % timeout_s)
            time.sleep(self._poll_s)

    def send(self, number, data):
        """Send a message; sending it again under its number must be harmless."""
        raise NotImplementedError

    def send_one_way(self, number, data):
        """Send a message that nobody answers."""
        self.send(number, data)

    def receive(self, number, timeout_s):
        """Return a message of the other end by its number; raise `Lost` when the time is over."""
        raise NotImplementedError

    def close(self, clean):
        """Remove what was received, and what was sent too unless the exchange ended well."""
