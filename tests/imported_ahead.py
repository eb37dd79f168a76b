"""What a child process imports for its first tokens; it leaves no threads, and can be forked."""

import gc
import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from app.core.files.paths import starter_model_dir
from app.core.system import child_processes
from app.models.tokenizer_without_mlx import load_tokenizer_without_mlx
from app.workers.jobs.datasets import WarmUp
from tests.forked_processes import ForkedProcesses

child_processes.PROCESSES = ForkedProcesses()  # a child's own children are copies too
os.fsync = lambda _: None  # as in conftest.py

WarmUp()(lambda: False)
load_tokenizer_without_mlx(starter_model_dir())
gc.collect()
gc.freeze()  # what all of them share is looked through by none
