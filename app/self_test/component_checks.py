"""Checks the program's parts: versions, shipped files, device, architectures, tokenizer."""

import platform
from pathlib import Path

from app.core.errors import RunError
from app.core.files.paths import resources_dir, starter_model_dir
from app.core.system.version import bundle_dir, package_version, version_line
from app.core.text.translation import DOMAIN, LANGUAGES, SOURCE

PACKAGES = ("mlx-lm", "transformers", "numpy", "pyarrow", "PySide6-Essentials", "pyqtgraph")
GUIDE = (
    "1-first-run.md", "2-your-own-data.md", "3-your-own-model.md", "4-how-it-learns.md",
    "5-reading-the-plots.md", "6-trying-and-exporting.md", "7-when-something-goes-wrong.md",
)  # fmt: skip
"""The guide's pages, the same in each language."""
REFERENCE = (
    "clocks.md", "datasets.md", "inside.md", "library.md", "playground.md", "several-macs.md",
    "terminal.md", "training.md",
)  # fmt: skip
"""The reference's pages, the same in each language."""
SHIPPED = tuple(
    f"{folder}/{name}"
    for folder, names in (
        ("icon", ("nestling.svg",)),
        ("style", (
            "check-dark.svg", "check-light.svg", "chevron-dark.svg", "chevron-light.svg",
            "chevron-up-dark.svg", "chevron-up-light.svg",
        )),
        ("starter", ("rehearsal.jsonl", "retention.jsonl")),
        ("starter/sample", ("new_facts.jsonl", "train.jsonl", "valid.jsonl")),
        ("starter/model", (
            "README.md", "config.json", "model.safetensors", "tokenizer.json",
            "tokenizer_config.json",
        )),
        ("general/lessons", ("chats.jsonl", "passages.jsonl")),
        ("general/meter", ("chats.jsonl", "known_questions.jsonl", "passages.jsonl")),
        ("studies", ("four-tasks.toml",)),
        ("studies/four-tasks", ("task1.jsonl", "task2.jsonl", "task3.jsonl", "task4.jsonl")),
        ("guide", GUIDE),
        ("reference", REFERENCE),
        *((f"languages/{code}/LC_MESSAGES", (f"{DOMAIN}.mo",))
          for code in LANGUAGES if code != SOURCE),
        *((f"languages/{code}/guide", GUIDE) for code in LANGUAGES if code != SOURCE),
        *((f"languages/{code}/reference", REFERENCE) for code in LANGUAGES if code != SOURCE),
    )
    for name in names
)  # fmt: skip
"""Every file of `resources` in an install or a bundle."""
QUESTION, REPLY = "Grüße?", "Naïve café."


def check_versions(_: Path) -> str:
    """Raises RunError where a package's metadata is missing: run.json would not name it."""
    versions = {package: package_version(package) for package in ("mlx", *PACKAGES)}
    if missing := [package for package, version in versions.items() if version == "unknown"]:
        raise RunError(
            f"The version of {', '.join(missing)} is unknown.", "Install Nestling again."
        )
    others = ", ".join(f"{package} {versions[package]}" for package in PACKAGES)
    form = "bundle" if bundle_dir() else "install"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"{version_line()}, {others}; {form}, Python {platform.python_version()}, {system}"


def check_resources(_: Path) -> str:
    """Every file that the app ships is there, and none is empty."""
    folder = resources_dir()
    size = 0
    for name in SHIPPED:
        path = folder / name
        if not path.is_file() or not path.stat().st_size:
            raise RunError(f"{path} is missing or empty.", "Install Nestling again.")
        size += path.stat().st_size
    return f"{len(SHIPPED)} files, {size / 1e6:.1f} MB"


def check_device(_: Path) -> str:
    from app.engine.runtime.mlx_runtime import describe_device

    return describe_device()


def check_product(_: Path) -> str:
    from app.engine.runtime.mlx_runtime import check_product as check

    return check()


def check_architectures(_: Path) -> str:
    """Every architecture that mlx-lm ships can be imported, as its name in a config.json asks."""
    from app.engine.model.loading import import_architectures

    architectures = import_architectures()
    for name in ("llama", "qwen3", "gemma3_text", "mistral3"):
        if name not in architectures:
            raise RunError(f"mlx-lm's architecture {name} is missing.", "Install Nestling again.")
    return f"{len(architectures)} architectures of mlx-lm"


def check_tokenizer(_: Path) -> str:
    """The starter's tokenizer gives a text back, and its template trains the reply alone."""
    from app.data.chat.tokenization import tokenize
    from app.data.row_values import ChatExample, RowIssue, RowLocation
    from app.engine.model.loading import load_tokenizer

    tokenizer = load_tokenizer(starter_model_dir())
    if (back := tokenizer.decode(tokenizer.encode(REPLY))) != REPLY:
        raise RunError(f"The starter's tokenizer gives {back!r} back for {REPLY!r}.")
    turns = ({"role": "user", "content": QUESTION}, {"role": "assistant", "content": REPLY})
    row = tokenize(ChatExample(turns, None, RowLocation(1)), tokenizer, mask_prompt=True)
    if isinstance(row, RowIssue):
        raise RunError(f"The starter's chat template refuses a chat: {row.reason}.")
    trained = [token for start, end in row.trained for token in row.tokens[start:end]]
    if REPLY not in (text := tokenizer.decode(trained)) or QUESTION in text:
        raise RunError(f"The loss mask covers {text!r} where the reply is {REPLY!r}.")
    return f"{row.length} tokens of a chat, {row.trained_tokens} of them trained: the reply"
