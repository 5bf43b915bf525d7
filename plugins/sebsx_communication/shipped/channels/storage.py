"""Messages as objects of the platform's storage. Objects are deleted by the driver afterwards."""

from sebsx_channels import End


class StorageEnd(End):
    """Writes numbered objects and asks for the other end's until they are there."""

    def __init__(self, role, context, session, parameters):
        super().__init__(parameters)
        self._storage = context.storage
        self._ours = "%s/%s-" % (session, role)
        self._theirs = "%s/%s-" % (session, "consumer" if role == "producer" else "producer")

    def send(self, number, data):
        self._storage.upload(self._ours + str(number), data)
        self.count("put")

    def receive(self, number, timeout_s):
        key = self._theirs + str(number)

        def ask():
            self.count("get")
            try:
                return self._storage.download(key)
            except LookupError:
                return None

        return self.poll(ask, timeout_s)


def connect(role, context, session, parameters):
    return StorageEnd(role, context, session, parameters)
