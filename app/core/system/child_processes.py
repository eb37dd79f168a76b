"""How child processes begin: never as copies of this one, which has threads."""

import multiprocessing
from multiprocessing.context import ForkServerContext, SpawnContext

PROCESSES: SpawnContext | ForkServerContext = multiprocessing.get_context("spawn")
