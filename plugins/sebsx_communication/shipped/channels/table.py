"""Messages as items of the platform's table, in base64: items are JSON."""

from base64 import b64decode, b64encode

from sebsx_channels import End


class TableEnd(End):
    """Puts numbered items and asks for the other end's until they are there."""

    def __init__(self, role, context, session, parameters):
        super().__init__(parameters)
        self._table = context.table
        self._ours = "%s/%s" % (session, role)
        self._theirs = "%s/%s" % (session, "consumer" if role == "producer" else "producer")
        self._sent, self._received = set(), set()

    def send(self, number, data):
        self._table.put(self._ours, "%08d" % number, {"data": b64encode(data).decode("ascii")})
        self._sent.add(number)
        self.count("put")

    def receive(self, number, timeout_s):
        sort = "%08d" % number

        def ask():
            item = self._table.get(self._theirs, sort)
            self.count("get")
            return None if item is None else b64decode(item["data"])

        data = self.poll(ask, timeout_s)
        self._received.add(number)
        return data

    def close(self, clean):
        for number in self._received:
            self._table.delete(self._theirs, "%08d" % number)
        for number in () if clean else self._sent:
            self._table.delete(self._ours, "%08d" % number)


def connect(role, context, session, parameters):
    return TableEnd(role, context, session, parameters)
