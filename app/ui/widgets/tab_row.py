"""The tabs of a page, of which one is shown."""

from collections.abc import Iterable

from PySide6.QtWidgets import QTabBar


class TabRow(QTabBar):
    """Arrow keys turn from tab to tab, as in every tab bar."""

    def __init__(self, titles: Iterable[str], name: str) -> None:
        super().__init__()
        self.setObjectName("tabs")
        self.setAccessibleName(name)
        self.setDrawBase(False)
        self.setExpanding(False)
        self.setUsesScrollButtons(False)
        for title in titles:
            self.addTab(title)
