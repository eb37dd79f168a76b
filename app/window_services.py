"""The services behind the window: threads, the state, the run and its queue. Created once, shut
down in order; imports no page and no dialog.
"""

from PySide6.QtCore import QObject

from app.core.config.training_config import TrainingConfig
from app.core.files.paths import home_dir, runs_dir
from app.library.queue_store import QUEUE_FILE
from app.ui.data.dataset_services import DataServices
from app.ui.new_run.tier_preview import TierPreview
from app.ui.playground.playground_session import PlaygroundSession
from app.ui.run.run_export import AdapterExport
from app.ui.state.app_state import AppState
from app.ui.state.live_run import LiveRunWatch, LiveSeries
from app.ui.state.plan_memory import PlanMemory, default_config, remembered_plan
from app.ui.state.run_control import RunControl
from app.ui.state.run_pace import RunPace
from app.ui.state.run_queue import RunQueue
from app.ui.state.study_control import StudyControl
from app.ui.state.undo import UndoHistory
from app.ui.system.deferred_calls import IdleTasks
from app.ui.system.garbage_collector import GarbageCollector
from app.ui.system.language import SETTINGS_FILE
from app.ui.system.stored_preferences import Preferences, Recent
from app.workers.background_thread import BackgroundThread
from app.workers.compute_thread import ComputeThread


class Services(QObject):
    def __init__(self, config: TrainingConfig | None = None) -> None:
        """`config` is the initial plan; without one, the plan of the last session is used."""
        super().__init__()
        self.collecting = GarbageCollector(self)
        self.compute = ComputeThread(self)
        self.background = BackgroundThread(self)
        self.idle_work = IdleTasks(self)
        self.settings = settings = Preferences(home_dir() / SETTINGS_FILE, self.background)
        plan = config or remembered_plan(settings) or default_config(settings)
        self.state = AppState(plan, self)
        self.plan = PlanMemory(self.state, settings)
        self.undo, self.recent = UndoHistory(self), Recent(settings)
        self.data_work = DataServices(self.state, self.plan, self.background, runs_dir())
        tokenization = self.data_work.tokenization
        self.control = RunControl(self.state, self.compute, runs_dir(), tokenization.make_way)
        self.queue = RunQueue(self.state, self.control, self.background, home_dir() / QUEUE_FILE)
        self.study = StudyControl(self.state, self.control, self.background)
        self.preview = TierPreview(self.state, self.compute, tokenization, runs_dir())
        self.file_opener, self.datasets = self.data_work.file_opener, self.data_work.datasets
        self.export = AdapterExport(self.background, self)
        self.live_series, self.pace = LiveSeries(self.state), RunPace(self.state)
        self.live_run = LiveRunWatch(self.state, self.pace)
        self.trial = PlaygroundSession(self.state, self.compute)

    def shut_down(self) -> None:
        """End all threads and processes; a run in progress saves a checkpoint."""
        self.idle_work.shut_down()
        self.preview.shut_down()
        self.data_work.shut_down()
        self.settings.close()
        self.background.shut_down()
        self.compute.shut_down()
        self.collecting.shut_down()
