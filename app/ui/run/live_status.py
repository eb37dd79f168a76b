"""How the run in progress stands, in words: what it does now, and what went wrong."""

from app.ui.state.app_state import AppState, Phase

PHASES = {
    Phase.IDLE: ("Stopped", "warning"),
    Phase.RUNNING: ("Running", "accent"),
    Phase.PAUSING: ("Pausing…", "warning"),
    Phase.PAUSED: ("Paused", "warning"),
    Phase.STOPPING: ("Stopping…", "warning"),
    Phase.FINISHED: ("Finished", "success"),
    Phase.FAILED: ("Failed", "danger"),
}
"""Each phase's name, and the theme's color for it."""


def phase_words(state: AppState) -> tuple[str, str]:
    is_stopped = state.finished is not None and state.finished.outcome == "stopped"
    if is_stopped and not state.phase.is_active:
        return PHASES[Phase.IDLE]
    return PHASES[state.phase]


def status(state: AppState) -> str:
    """One sentence on what it does now, or how it ended; what it failed of is `problem`."""
    if state.phase is Phase.STOPPING:
        return _stopping(state)
    if state.phase.is_active:
        return _working(state)
    if state.phase is Phase.FAILED or state.finished is None:
        return ""
    return state.finished.message


def problem(state: AppState) -> str:
    if state.phase is not Phase.FAILED:
        return ""
    if state.run_failure is not None:
        return f"{state.run_failure.message} {state.run_failure.hint}".strip()
    return state.finished.message if state.finished else ""


def fraction(state: AppState) -> float | None:
    """Of the steps once there are some, before that of the stage; None while that is unknown."""
    if state.step is not None and state.started is not None:
        return state.step.step / state.started.steps
    if not state.phase.is_active:
        return 0.0
    return state.stage.fraction if state.stage is not None else None


def _stopping(state: AppState) -> str:
    if state.step is None:
        return "Canceling the run."
    is_in_step = state.stage is None
    return "Finishing the current step…" if is_in_step else "Skipping the rest of this stage…"


def _working(state: AppState) -> str:
    kept = f" Last checkpoint: step {c.step:,}." if (c := state.checkpoint) else ""
    if state.phase is Phase.PAUSED:
        after = f"Paused at step {state.step.step:,}." if state.step else "Paused."
        return f"{after}{kept}"
    if state.phase is Phase.PAUSING and state.stage is None:
        return f"Finishing the current step…{kept}"
    if state.stage is not None:
        return f"{state.stage.text}…"
    return f"Training…{kept}" if state.step else "Starting…"
