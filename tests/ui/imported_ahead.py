"""What a data process imports for its first tokens; it leaves no threads, and can be forked."""

import gc
import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from app.core.paths import starter_model_dir
from app.engine.plain_tokenizer import load_plain_tokenizer
from app.workers import data_server, store_jobs  # noqa: F401
from app.workers.data_jobs import GettingReady

GettingReady()(lambda: False)
load_plain_tokenizer(starter_model_dir())
gc.collect()
gc.freeze()  # what all of them share is looked through by none
