"""All that happens with the run's datasets beside the window, built and ended together."""

from pathlib import Path

from PySide6.QtCore import QObject

from app.ui.data.dataset_intake import Intake
from app.ui.data.datasets import Datasets
from app.ui.data.file_watch import FileWatch
from app.ui.data.minimum_rows import EnoughRows
from app.ui.data.mixture_intake import MixIntake
from app.ui.data.preview import Preview
from app.ui.data.statistics_loader import StatisticsLoader
from app.ui.data.tokenization import Tokenization
from app.ui.data.tokenizer_loader import TokenizerLoader
from app.ui.state.app_state import AppState
from app.ui.state.plan_memory import PlanMemory
from app.workers.background_thread import BackgroundThread
from app.workers.data_process import DataProcess
from app.workers.jobs.datasets import WarmUp


class DataServices(QObject):
    def __init__(
        self, state: AppState, plan: PlanMemory, background: BackgroundThread, runs_dir: Path
    ) -> None:
        super().__init__(state)
        self.reader = DataProcess(self, low_priority=True)
        """Reads, checks and tokenises whole files."""
        self.looker = DataProcess(self)
        """Answers at once what the user looks at."""
        self.intake = Intake(state, plan, background, self.reader)
        self.mix = MixIntake(state, background, self.reader)
        self.intake.further_datasets_opened.connect(self.mix.expect)
        self.datasets = Datasets(state, self.intake, self.mix)
        self.tokenizer = TokenizerLoader(state, self.looker)
        self.tokenization = Tokenization(state, self.reader, self.tokenizer, self.datasets)
        self.preview = Preview(state, self.looker, self.tokenizer, self.datasets, self.tokenization)
        self.watch = FileWatch(state, self.looker, self.datasets)
        self.statistics = StatisticsLoader(
            state, self.looker, background, self.datasets, self.tokenization, runs_dir
        )
        self.enough = EnoughRows(state, self.datasets, self.tokenization, self.statistics)

    def begin(self) -> None:
        """Once the window is seen: have ready what the first drop needs."""
        self.looker.run(WarmUp(), lambda _: None, lambda _: None)
        self.tokenizer.refresh()

    def shut_down(self) -> None:
        self.looker.shut_down()
        self.reader.shut_down()
