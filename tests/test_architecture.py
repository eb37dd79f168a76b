"""The house keeps its layers: the contracts of pyproject.toml, and its rules of naming and size."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.file_map import differing_lines
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "app").rglob("*.py"))
TESTS = [p for p in sorted((ROOT / "tests").rglob("*.py")) if "benchmarks" not in p.parts]
TIMED = re.compile(
    r"\bqtbot\.wait\(|\bqWait\(|\bsleep\(|\bTimer\(\d|"
    r"\b(timeout|seconds|patience)\s*=\s*[\d.]|\.(wait|join|alarm)\(\s*(?!0\))[\d.]|"
    r"^\s*(import|from) (\w+, )*time\b"
)
"""Lines that wait until some time has passed, read a clock, or have a bound of their own."""


def test_imports_point_down_only() -> None:
    ended = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT,
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_file_map_has_today_s_modules_and_sentences() -> None:
    """If not: `python -m tests.file_map`. That each module has a docstring is ruff's rule."""
    assert list(differing_lines()) == []


@pytest.mark.parametrize("word", ["utils", "helpers", "manager", "common", "base", "misc"])
def test_no_module_is_named_by_a_word_that_says_nothing(word: str) -> None:
    assert word not in {module.stem for module in MODULES}


def test_nothing_names_mlx_before_its_gate() -> None:
    """What imports MLX while the gate of `app.engine` is loaded has it before the fast BLAS."""
    runtime = ROOT / "app/engine/runtime"
    loaded = {
        "app.engine.runtime.mlx_import": runtime / "mlx_import.py",
        "app.engine.runtime.blas": runtime / "blas.py",
    }
    imports = [
        node
        for module in (ROOT / "app/engine/__init__.py", runtime / "__init__.py", *loaded.values())
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not [node for node in imports if "mlx" in _root(node)]
    own = {ast.unparse(node).split()[1] for node in imports if "app" in _root(node)}
    assert {name for name in own if name.startswith("app.engine")} <= loaded.keys()


def _root(node: ast.Import | ast.ImportFrom) -> set[str]:
    names = (
        [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
    )
    return {name.split(".")[0].removesuffix("_lm") for name in names}


def test_nothing_heavy_but_mlx_is_imported_with_the_engine() -> None:
    code = (
        "import sys, app.engine.training.trainer, app.engine.memory.preflight\n"
        "heavy = {'mlx_lm', 'transformers', 'PySide6'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_SECONDS, cwd=ROOT)


def test_a_process_that_tokenizes_imports_nothing_of_the_engine() -> None:
    code = (
        "import sys, app.workers.jobs.datasets, app.workers.jobs.training, app.application\n"
        "import app.data.training_set.training_data, app.models.tokenizer_without_mlx\n"
        "assert not {'mlx', 'mlx.core', 'app.engine'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_SECONDS, cwd=ROOT)


def test_the_command_line_imports_nothing_that_one_command_alone_needs() -> None:
    """The window comes this way too."""
    code = (
        "import sys, app.cli.commands\n"
        "layers = {'.'.join(name.split('.')[:2]) for name in sys.modules}\n"
        "assert not layers & {'app.engine', 'app.library', 'app.ui'}, layers\n"
        "assert 'app.data.rows.row_validation' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_SECONDS, cwd=ROOT)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "benchmarks").glob("*.py")), ids=lambda p: p.stem
)
def test_a_benchmark_still_imports(path: Path) -> None:
    """Benchmarks aren't run here, so that one the engine has moved away from shows by this."""
    importlib.import_module(f"tests.benchmarks.{path.stem}")


@pytest.mark.parametrize("module", TESTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_test_waits_for_facts_and_never_for_time(module: Path) -> None:
    """What bounds a wait is `tests.patience`; the waits of `qtbot` have it by themselves."""
    lines = module.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if TIMED.search(line)] == []


def test_what_tests_share_has_modules_of_its_own() -> None:
    shared = re.compile(r"^\s*(from|import) tests\S*\.test_", re.MULTILINE)
    assert [str(p) for p in TESTS if shared.search(p.read_text(encoding="utf-8"))] == []


def test_only_the_terminal_s_own_modules_write_to_it() -> None:
    """There what comes from elsewhere is made harmless, and rich reads no markup."""
    own = {ROOT / "app" / "cli" / name for name in ("terminal.py", "rich_output.py")}
    offenders = [
        f"{module.relative_to(ROOT)}: {ast.unparse(node)}"
        for module in sorted(set(MODULES) - own)
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if _writes_to_the_terminal(node)
    ]
    assert offenders == []


def _writes_to_the_terminal(node: ast.AST) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "rich" in _root(node)
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func)
    return called == "print" or called.startswith(("sys.stdout.write", "sys.stderr.write"))


MADE_PLAIN = {"QLabel": "label", "QMessageBox": "dialog", "setToolTip": "set_tip"}
"""What guesses whether its text is HTML, and what is used in its place."""


def test_labels_tooltips_and_dialogs_are_made_where_text_stays_plain() -> None:
    offenders = [
        f"{module.relative_to(ROOT)}:{node.lineno}: use {MADE_PLAIN[name]}"
        for module in MODULES
        if module.relative_to(ROOT) != Path("app/ui/look/plain_text.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (name := ast.unparse(node.func).rpartition(".")[2]) in MADE_PLAIN
    ]
    assert offenders == []


def test_json_and_toml_are_parsed_in_one_place() -> None:
    """There depth and length are bounded, and each fault is a ValueError with plain words."""
    offenders = [
        f"{module.relative_to(ROOT)}:{node.lineno}: use app.core.files.strict_parsing"
        for module in MODULES
        if module.relative_to(ROOT) != Path("app/core/files/strict_parsing.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("json.loads", "json.load", "tomllib.loads", "tomllib.load")
    ]
    assert offenders == []
