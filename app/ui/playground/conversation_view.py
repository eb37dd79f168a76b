"""The conversation: scrolls through its turns, and follows the answers while they stream."""

from collections.abc import Iterable, Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea, QWidget

from app.core.errors import Failure
from app.core.generation_events import AnswerEnded, AnswerEvent
from app.core.text.translation import tr
from app.ui.look.plain_text import ElidedLabel
from app.ui.playground.answer_pair import TurnView
from app.ui.playground.playground_session import PlaygroundSession, Subject
from app.ui.system.deferred_calls import Throttle
from app.ui.widgets.layouts import GRID_PX, column, scroll_down

REFRESH_MS = 50
"""The minimum time between updates of the streaming text."""
AT_END_PX = 24
"""The distance from the end that still counts as being at the end."""


class Conversation(QScrollArea):
    def __init__(self, trial: PlaygroundSession) -> None:
        super().__init__()
        self._trial = trial
        self._subject: Subject | None = None
        """The subject of the last turn."""
        self._is_at_end = True
        self.turns: list[TurnView] = []
        self._expected: dict[str, str] = {}
        """Expected answers by question; the keys are lowercase and on one line."""
        self.setObjectName("column")
        scroll_down(self)
        # Always shown, so that texts don't wrap again when it is first needed.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._refreshing = Throttle(REFRESH_MS, self._flush, self)
        self._begin()
        bar = self.verticalScrollBar()
        bar.valueChanged.connect(self._note_place)
        bar.rangeChanged.connect(self._follow)
        bar.rangeChanged.connect(lambda low, high: bar.setEnabled(high > low))
        bar.setEnabled(False)
        trial.asked.connect(self._ask)
        trial.event_received.connect(self._take)
        trial.ended.connect(self._end)
        trial.cleared.connect(self._begin)

    def show_expected(self, questions: Iterable[Mapping[str, str]]) -> None:
        """Set the expected answers by question; a turn shows the one of its question."""
        self._expected = {_key(q): answer for some in questions for q, answer in some.items()}

    def _begin(self) -> None:
        self.turns.clear()
        self._subject = None
        content = QWidget()
        content.setObjectName("column")
        self._layout = column(None, spacing=2 * GRID_PX, margins_px=(0, 0, GRID_PX, 0))
        content.setLayout(self._layout)
        self.setWidget(content)

    def _ask(self, question: str) -> None:
        subject = self._trial.subject
        if subject is None:
            return
        if self._subject is not None and self._subject.tried != subject.tried:
            self._insert(_divider(subject))
        self._subject = subject
        turn = TurnView(
            question, subject.base_name, subject.name, self._expected.get(_key(question), "")
        )
        self.turns.append(turn)
        self._is_at_end = True
        self._insert(turn)

    def _insert(self, part: QWidget) -> None:
        self._layout.insertWidget(self._layout.count() - 1, part)

    def _take(self, event: AnswerEvent) -> None:
        if not self.turns:
            return
        self.turns[-1].take(event)
        if isinstance(event, AnswerEnded):
            self._flush()
        else:
            self._refreshing.request()

    def _flush(self) -> None:
        if self.turns:
            self.turns[-1].flush()

    def _end(self, failure: Failure | None) -> None:
        if self.turns:
            self.turns[-1].end(failure)

    def _note_place(self, value: int) -> None:
        self._is_at_end = value >= self.verticalScrollBar().maximum() - AT_END_PX

    def _follow(self, _low: int, high: int) -> None:
        """Stay at the end, unless the user has scrolled away from it."""
        if self._is_at_end:
            self.verticalScrollBar().setValue(high)


def _key(question: str) -> str:
    return " ".join(question.casefold().split())


def _divider(subject: Subject) -> QWidget:
    words = tr("Now using {name}. Earlier messages aren't included.", name=subject.name)
    made = ElidedLabel(words, "caption")
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return made
