"""One inbox that calls share: who waits for what of it, and the questions that are open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sebsx.contracts.schedules import OVER
from sebsx.contracts.senders import Delivery, Done, HttpAnswer
from sebsx.sending.dialogue import fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.senders import HttpRequest, Inbox
    from sebsx.sending.dialogue import Dialogue

# An inbox that refuses, or whose connection breaks, is asked again this often in a row, after a pause that doubles.
_TROUBLES = 5
_PAUSE_S = 0.1


@dataclass(slots=True, eq=False)
class Question:
    """A request to an inbox: for what has arrived, or its acknowledgement, whose answer is not looked at."""

    mailbox: Mailbox
    request: HttpRequest
    acknowledges: bool = False


class Post(Protocol):
    """What carries the questions of a mailbox, and takes the results."""

    def ask_inbox(self, question: Question, now_s: float) -> None:
        """Send a question."""
        ...

    def wake(self, mailbox: Mailbox, at_s: float) -> None:
        """Call `ask` of a mailbox at a time."""
        ...

    def end(self, dialogue: Dialogue, result: Done, first_byte_s: float | None, now_s: float) -> None:
        """Reply to a call with its result."""
        ...

    def give_up(self, dialogue: Dialogue, now_s: float, why: str, limit: str | None = None) -> None:
        """Reply to a call without one."""
        ...


class Mailbox:
    """The state of one inbox. Times are those of `time.perf_counter()`.

    Args:
        inbox: How it is read.
        post: Carries its questions.

    Attributes:
        open: Questions that have no answer yet.
    """

    def __init__(self, inbox: Inbox, post: Post) -> None:
        self.open = 0
        self._inbox = inbox
        self._post = post
        self._waiting: dict[str, tuple[Dialogue, int]] = {}  # by key: a call, and the answers that had come by then
        self._submitted: dict[Dialogue, None] = {}  # nobody knows yet under which keys these wait
        self._early: dict[str, Done] = {}  # results that may be theirs
        self._answers = self._troubles = 0
        self._rests_until_s = -OVER

    def forget(self) -> None:
        """Forget every call, and every question: whoever keeps one open counts it again."""
        for each in (self._waiting, self._submitted, self._early):
            each.clear()
        self.open = self._troubles = 0
        self._rests_until_s = -OVER

    def submitted(self, dialogue: Dialogue) -> None:
        """Take that a call is on its way: its result may come before its acceptance is known."""
        self._submitted[dialogue] = None

    def heard(self, dialogue: Dialogue) -> None:
        """Take that the submission of a call was answered, or never will be. A second call is harmless."""
        self._submitted.pop(dialogue, None)

    def leave(self, dialogue: Dialogue) -> None:
        """Take that a call was given up. A second call is harmless."""
        self.heard(dialogue)
        if dialogue.key is not None:
            self._waiting.pop(dialogue.key, None)

    def wait(self, dialogue: Dialogue, key: str, now_s: float) -> None:
        """Let a call that was accepted wait for its result, which may be there."""
        dialogue.key = key
        early = self._early.pop(key, None)
        if not self._submitted:
            self._early.clear()
        if early is not None:
            dialogue.polls = 1
            self._post.end(dialogue, early, now_s, now_s)
        else:
            self._waiting[key] = (dialogue, self._answers)
            self.ask(now_s)

    def ask(self, now_s: float) -> None:
        """Open as many questions as it takes and calls wait for, unless it rests."""
        while now_s >= self._rests_until_s and self.open < min(self._inbox.questions, len(self._waiting)):
            dialogue, _ = next(reversed(self._waiting.values()))  # the last: its credentials are the newest
            try:
                self._inbox = dialogue.inbox() or self._inbox
                question = Question(self, self._inbox.ask())
            except Exception as exc:  # noqa: BLE001  # a plugin's: its fault is that of the calls
                self._fail(now_s, fault(self._inbox, "ask", exc))
                return
            self.open += 1
            self._post.ask_inbox(question, now_s)

    def answered(
        self,
        question: Question,
        first_byte_s: float | None,
        now_s: float,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        """Take an answer: end the calls whose results it holds, acknowledge them, and ask again."""
        if question.acknowledges:
            return
        self.open -= 1
        self._answers += 1
        if status >= 400:
            self._pause(now_s, Done(status=status, headers=headers, body=body), None)
            return
        answer = HttpAnswer(
            request=question.request, request_id="", status=status, headers=headers, body=body, polls=self._answers
        )
        try:
            delivery = self._inbox.read(answer)
            if not isinstance(delivery, Delivery):
                raise TypeError(f"it returned {type(delivery).__name__}, not a Delivery")
            rest_s = float(delivery.after_s)
            results = dict(delivery.results)
        except Exception as exc:  # noqa: BLE001  # a plugin's, about what a server said: failed calls
            self._fail(now_s, fault(self._inbox, "read", exc))
            return
        self._troubles = 0
        if delivery.acknowledgement is not None:
            self._post.ask_inbox(Question(self, delivery.acknowledgement, acknowledges=True), now_s)
        for key, result in results.items():
            self._take(key, result, first_byte_s, now_s)
        if rest_s > 0:
            self._rest(now_s + rest_s)
        else:
            self.ask(now_s)

    def failed(self, question: Question, now_s: float, error: str, limit: str | None) -> None:
        """Take that a question has no answer and will have none."""
        if not question.acknowledges:
            self.open -= 1
            self._pause(now_s, error, limit)

    def _take(self, key: str, result: Done, first_byte_s: float | None, now_s: float) -> None:
        if key in self._waiting:
            dialogue, answers = self._waiting.pop(key)
            dialogue.polls = self._answers - answers
            self._post.end(dialogue, result, first_byte_s, now_s)
        elif self._submitted:
            self._early[key] = result

    def _pause(self, now_s: float, trouble: Done | str, limit: str | None) -> None:
        """Ask again later, or end every call that waits when that was tried often enough."""
        self._troubles += 1
        if limit is None and self._troubles <= _TROUBLES:
            self._rest(now_s + _PAUSE_S * 2.0 ** (self._troubles - 1))
        else:
            self._fail(now_s, trouble, limit)

    def _rest(self, until_s: float) -> None:
        self._rests_until_s = until_s
        if self._waiting:
            self._post.wake(self, until_s)

    def _fail(self, now_s: float, trouble: Done | str, limit: str | None = None) -> None:
        waiting = [dialogue for dialogue, _ in self._waiting.values()]
        self._waiting.clear()
        self._troubles = 0
        for dialogue in waiting:
            if isinstance(trouble, Done):
                self._post.end(dialogue, trouble, now_s, now_s)
            else:
                self._post.give_up(dialogue, now_s, trouble, limit)
