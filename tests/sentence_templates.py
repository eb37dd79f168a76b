"""Collects the sentences of the lower layers from their source, as templates for the catalogs.

A string that reads as words is one, and so is an f-string: f"{path.name} has {count:,} rows" is the
template "{name} has {count:,} rows". Where a value is one of a few words that stand in the source
("is" or "are"), there is a template for each.
"""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from app.core.base_model import PART_NAMES
from app.core.errors import RESUME, TRY_AGAIN
from app.data.row_values import IssueKind
from app.data.rows.row_notes import KINDS, note_line, note_reason

ROOT = Path(__file__).parent.parent
LAYERS = ("core", "data", "library", "models", "engine", "workers")
NOT_IN_THE_WINDOW = {
    "app/core/guide_pages.py",
    "app/core/text/translation.py",
    "app/library/reading/study_heat_map_svg.py",
    "app/library/reading/study_report.py",
}
"""Modules whose sentences the terminal alone shows."""
DEFECTS = {"ValueError", "RuntimeError", "ImportError", "KeyError", "TypeError", "AssertionError"}
ELSEWHERE = {
    # The operating system's words, which errors of files end with, on Linux and on a Mac.
    "No such file or directory", "Permission denied", "Operation not permitted", "Is a directory",
    "Not a directory", "No space left on device", "Input/output error", "Read-only file system",
    "File name too long", "Too many open files", "Stale file handle", "Stale NFS file handle",
    "Transport endpoint is not connected", "Socket is not connected", "Resource busy",
    "Device or resource busy", "Structure needs cleaning", "Disk quota exceeded",
    # Those of Python's TOML reader.
    "{message} (line {line}, column {column})",  # JSON's, by its place
    "{message} (at line {line}, column {column})", "{message} (at end of document)",
    "Invalid statement", "Invalid value", "Expected newline or end of document after a statement",
    "Found invalid character {character}", "Illegal character {character}",
    "Cannot declare {key} twice", "Cannot overwrite a value", "Unclosed array",
    "Expected ']' at the end of a table declaration", "Invalid date or datetime",
    "Expected ']]' at the end of an array declaration", "Unclosed inline table",
    "Expected '=' after a key in a key/value pair", "Duplicate inline table key {key}",
    "Invalid initial character for a key part", "Unescaped '\\' in a string", "Invalid hex value",
    # The question sets that come with Nestling, by their files' names.
    "new facts", "retention",
    # With the words that fill a slot there, each of which is none of its own.
    "The model in {path} needs Python code from the model folder; Nestling does not run code of "
    "models.",
    "The tokenizer in {path} needs Python code from the model folder; Nestling does not run code "
    "of models.",
    "The dataset {path} is a folder.", "The dataset {path} is not a file.",
    "The dataset {path} isn't there: put it back, or choose another.",
    "The validation set {path} is a folder.", "The validation set {path} is not a file.",
    "The validation set {path} isn't there: put it back, or choose another.",
    "{path} can't be read as a dataset.", "{path} can't be read as a validation set.",
    "{event}, before: {correct} of {total} right", "{event}, after: {correct} of {total} right",
    "The base model's logits contain NaN, so it can't answer.",
    "The tuned model's logits contain NaN, so it can't answer.",
}  # fmt: skip
"""Sentences that are no literals of these layers."""
NO_SENTENCES = {
    "and are trained", "and is trained", "their turns", "their text", "its turns", "its text",
    "{version}{commit}, MLX {package_version}", "(commit {commit})", "{format} mlx-lm {version}",
    "brew install hf", "pip install -U huggingface_hub", "hf download {repository}",
    "data process", "Extra data", "Unterminated string", "GPU Timeout", "Impacting Interactivity",
    "Insufficient Memory", "out of memory", "Be kind.", "Question: {question}\nAnswer:",
    "Nestling", "Hugging Face", "LM Studio", "JSON Lines", "{size_bytes:.1f} MB",
    "{size_bytes:.2f} GB", "{size:,} GB", "OpenBLAS (system)", "OpenBLAS {bundled_version}",
    "{names} and {names2}", "{prompts} and {completions}", "leaves out", "holds twice",
    "given out of turn", "that the model's chat template leaves out", "is not the one",
    "are not those", "only assistant turn", "only assistant turn to be trained",
    "to train on the better answer alone", "human, gpt, system and tool", "left out",
    "is {why}", "The {noun} {path} is a folder.", "The {noun} {path} is not a file.",
    "The {noun} {path} isn't there: put it back, or choose another.",
    "{path} can't be read as a {noun}.", "{event}, {when}: {correct} of {total} right",
    "The {part} in {path} needs Python code from the model folder; Nestling does not run code of "
    "models.",
    "The {side} model's logits contain NaN, so it can't answer.",
    ".jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow, .txt and .md",
}  # fmt: skip
"""Words for code, names, and parts of sentences that are collected whole."""
ALTERNATIVES = {"TRY_AGAIN": [TRY_AGAIN, RESUME]}
"""Constants for which other words may stand."""
_TRANSLATED = {"tr", "trn", "mark"}
_IS_PROSE = re.compile(
    r"[^\W\d_]{2,}[,.;:]? [\w{“\"'(]|\} [^\W\d_]{2}|[^\W\d_]{2}[,;:]? \{|^an? \w"
)
_IS_CODE = re.compile(r"^<|^!\[|\\[dws]|\(\?|^[\w.]+\[|^#|\|")
_MOST_VARIANTS = 8


def sentence_templates() -> set[str]:
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for layer in LAYERS
        for path in sorted((ROOT / "app" / layer).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in NOT_IN_THE_WINDOW
    ]
    constants = _constants(trees)
    found = {_whole(t) for tree in trees for t in _Module(tree, constants).templates()}
    notes = {note_reason(note) for note in KINDS} | {note_line(note, 1) for note in KINDS}
    return (found | notes | ELSEWHERE | {*PART_NAMES.values()}) - NO_SENTENCES


def templates_of(source: str) -> set[str]:
    """The templates of one module."""
    tree = ast.parse(source)
    return {_whole(template) for template in _Module(tree, _constants([tree])).templates()}


def _whole(template: str) -> str:
    """With a slot for what follows a beginning: "attention of " is "attention of {rest}"."""
    return (f"{template}{{rest}}" if template.endswith(" ") else template).strip(" ")


def _constants(trees: list[ast.Module]) -> dict[str, list[str]]:
    """The texts of all modules' constants, but for names that stand for several."""
    found: dict[str, list[str]] = {}
    for tree in trees:
        for name, value in _assignments(tree):
            if name.isupper() and isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.setdefault(name, []).append(value.value)
    return {name: texts for name, texts in found.items() if len(set(texts)) == 1} | ALTERNATIVES


class _Module:
    def __init__(self, tree: ast.Module, constants: dict[str, list[str]]) -> None:
        self._tree, self._constants = tree, constants
        self._skipped: set[ast.AST] = set()
        self._parents = {c: node for node in ast.walk(tree) for c in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            self._skip(node)

    def _skip(self, node: ast.AST) -> None:
        """Leave out what is no sentence of its own."""
        inside: list[ast.AST] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside = [node.value]  # a docstring
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in _TRANSLATED | DEFECTS:
                inside = [*node.args]
            elif called == "cast":
                inside = node.args[:1]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("Literal", "Sequence"):
            inside = [node.slice]
        elif isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            inside = [node.annotation]
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            inside = [node.returns]
        elif isinstance(node, ast.Dict):
            inside = [key for key in node.keys if isinstance(key, ast.Constant)]
        elif isinstance(node, ast.Compare):
            inside = [node]
        elif isinstance(node, ast.JoinedStr):
            inside = [v for v in node.values if isinstance(v, ast.Constant)]
            inside += [
                v.format_spec
                for v in node.values
                if isinstance(v, ast.FormattedValue) and v.format_spec
            ]
        for skipped in inside:
            self._skipped.update(ast.walk(skipped))

    def templates(self) -> Iterator[str]:
        for node in ast.walk(self._tree):
            if node in self._skipped:
                continue
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
                yield from self._sum(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if is_prose(node.value) and node.value not in get_args(IssueKind):
                    yield self._constant(node)
            elif isinstance(node, ast.JoinedStr):
                yield from self._joined_string(node)

    def _joined_string(self, node: ast.JoinedStr) -> Iterator[str]:
        yield from filter(is_prose, map(_joined, self._variants(node)))

    def _sum(self, node: ast.BinOp) -> Iterator[str]:
        """A text with others before or behind it, by "+": as the f-string that says the same."""
        parts = list(_summands(node))
        if any(isinstance(part, ast.JoinedStr) or _literal_words(part) for part in parts):
            for part in parts:
                self._skipped.update(ast.walk(part) if not _is_value(part) else ())
            values: list[ast.expr] = []
            for part in parts:
                values += part.values if isinstance(part, ast.JoinedStr) else [_as_value(part)]
            self._skipped.update(one for one in ast.walk(node) if isinstance(one, ast.BinOp))
            yield from self._joined_string(ast.JoinedStr(values))

    def _constant(self, node: ast.Constant) -> str:
        parent = self._parents[node]
        is_format = isinstance(parent, ast.Attribute) and parent.attr == "format"
        text = str(node.value)
        if is_format or "{}" in text:
            names = (f"value{number}" for number in itertools.count(1))
            return re.sub(r"\{\}", lambda _: f"{{{next(names)}}}", text)
        return escaped(text)

    def _variants(self, node: ast.JoinedStr) -> Iterator[list[str | tuple[str, str]]]:
        """The f-string's parts: text, or the name and format of a slot."""
        choices: list[list[str | tuple[str, str]]] = []
        for value in node.values:
            if isinstance(value, ast.Constant):
                choices.append([escaped(str(value.value))])
                continue
            assert isinstance(value, ast.FormattedValue)
            words = self._words(value.value)
            spec = ast.unparse(value.format_spec)[2:-1] if value.format_spec else ""
            choices.append([escaped(w) for w in words] if words else [(_name(value.value), spec)])
        total = 1
        for number, choice in enumerate(choices):
            total *= len(choice)
            if total > _MOST_VARIANTS:
                value = node.values[number]
                assert isinstance(value, ast.FormattedValue)
                choices[number] = [(_name(value.value), "")]
                total //= len(choice)
        for parts in itertools.product(*choices):
            yield list(parts)

    def _words(self, value: ast.expr) -> list[str]:
        """The few texts that a value can be; empty where they aren't known."""
        if isinstance(value, ast.Name):
            return list(dict.fromkeys(self._words_of_name(value)))
        return _literal_words(value)

    def _words_of_name(self, name: ast.Name) -> list[str]:
        scope: ast.AST = name
        while not isinstance(scope, ast.FunctionDef | ast.Module):
            scope = self._parents[scope]
        if name.id in self._constants:
            return self._constants[name.id]
        for place in (scope, self._tree) if name.id.isupper() else (scope,):
            values = [value for target, value in _assignments(place) if target == name.id]
            words = [_literal_words(value) if value else [] for value in values]
            if words:
                return [one for some in words for one in some] if all(words) else []
        return []


def _summands(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _summands(node.left)
        yield from _summands(node.right)
    else:
        yield node


def _is_value(part: ast.expr) -> bool:
    return not isinstance(part, ast.JoinedStr | ast.Constant)


def _as_value(part: ast.expr) -> ast.expr:
    is_text = isinstance(part, ast.Constant) and isinstance(part.value, str)
    return part if is_text else ast.FormattedValue(part, -1)


def _assignments(scope: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Each name that is assigned in `scope`; None for one that isn't a plain assignment."""
    for node in ast.walk(scope):
        if isinstance(node, ast.arg):
            yield node.arg, None
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            names, value = node.targets[0].elts, node.value
            values = value.elts if isinstance(value, ast.Tuple) else [None] * len(names)
            for name, one in zip(names, values, strict=True):
                yield ast.unparse(name), one
        elif isinstance(node, ast.For | ast.comprehension | ast.NamedExpr | ast.AugAssign):
            for one in ast.walk(node.target):
                if isinstance(one, ast.Name):
                    yield one.id, None


def _literal_words(value: ast.expr) -> list[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return [value.value]
    if isinstance(value, ast.IfExp):
        one, other = _literal_words(value.body), _literal_words(value.orelse)
        return one + other if one and other else []
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):  # "s" * (count == 1)
        text = _literal_words(value.left)
        return [*text, ""] if text else []
    return []


def is_prose(template: str) -> bool:
    return bool(_IS_PROSE.search(template)) and not _IS_CODE.search(template)


def escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _name(value: ast.expr) -> str:
    """A slot's name, from what stands there: "path.name" is "path"."""
    names = [
        (node.id if isinstance(node, ast.Name) else node.attr).strip("_").lower()
        for node in ast.walk(value)
        if isinstance(node, ast.Name | ast.Attribute)
    ]
    plain = [name for name in names if name not in _SAYS_LITTLE]
    return (plain or ["name" if "name" in names else "value"])[0]


_SAYS_LITTLE = {
    "self", "len", "error_text", "single_line", "short_repr", "join", "listed", "named", "sorted",
    "str", "int", "sum", "type_name", "token_text", "strip", "rstrip", "shown_value", "max", "min",
    "name", "replace", "list", "get", "distance_text", "readlink", "os",
}  # fmt: skip
"""Names of calls and attributes that don't name what a slot shows."""


def _joined(parts: list[str | tuple[str, str]]) -> str:
    used: dict[str, int] = {}
    shown = []
    for part in parts:
        if isinstance(part, str):
            shown.append(part)
            continue
        name, spec = part
        used[name] = used.get(name, 0) + 1
        number = used[name] if used[name] > 1 else ""
        spec = "" if not _is_number_format(spec) else ":," if "{" in spec else f":{spec}"
        shown.append(f"{{{name}{number}{spec}}}")
    return "".join(shown)


def _is_number_format(spec: str) -> bool:
    return "{" in spec or bool(re.fullmatch(r",|,?(\.\d+)?[defg%]", spec))


if __name__ == "__main__":
    print(*sorted(sentence_templates()), sep="\n")
