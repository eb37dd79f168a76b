"""The jobs of a data process on a dataset, run here in this process."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from app.core.column_mapping import ColumnMapping
from app.data.chat.template_trial import TRYING
from app.engine.model.loading import load_tokenizer
from app.library.column_mapping_store import remember_columns
from app.workers.jobs.datasets import (
    DatasetRequest,
    InspectDataset,
    InspectedDataset,
    ModelTokenizer,
    TokenizeDatasets,
    TokenizedDatasets,
)
from app.workers.jobs.preview import HeadRows, LoadHeadRows, Rendering, RowPage
from app.workers.jobs.tokens import ComputeStatistics, HoldoutSplit, ListLongRows, LoadTokenPage
from tests.other_base_models import copied_model


def never() -> bool:
    return False


@pytest.fixture
def key(tiny_model: Path) -> ModelTokenizer:
    return ModelTokenizer(tiny_model)


def tokenised(path: Path, key: ModelTokenizer, **settings: bool) -> TokenizedDatasets:
    job = TokenizeDatasets((DatasetRequest(path, None, ""),), key, True, False, **settings)
    *steps, done = job(never)
    assert all(step == TRYING or 0 <= step <= 1 for step in steps)
    assert isinstance(done, TokenizedDatasets)
    return done


def test_the_first_rows_come_raw_and_then_rendered(chat_file: Path, key: ModelTokenizer) -> None:
    raw, rendered = LoadHeadRows(DatasetRequest(chat_file), 4, Rendering(key, True, 2048))(never)
    assert isinstance(raw, HeadRows)
    assert isinstance(rendered, HeadRows)
    assert (
        [row.place.line for row in raw.rows]
        == [row.place.line for row in rendered.rows]
        == [1, 2, 3, 4]
    )
    assert {row.tokens for row in raw.rows} == {None}
    assert all(row.tokens and row.trained_tokens for row in rendered.rows)
    assert not raw.problem


def test_a_mapping_is_remembered_for_a_file_and_used_for_it(tmp_path: Path) -> None:
    path = tmp_path / "letters.csv"
    path.write_text("q,a\nhello,good day\n")
    (unmapped,) = LoadHeadRows(DatasetRequest(path), 4)(never)
    assert unmapped.rows == ()  # type: ignore[attr-defined]
    assert "line 2" in unmapped.problem  # type: ignore[attr-defined]
    remember_columns(path, ColumnMapping(prompt="q", completion="a"))
    (mapped,) = LoadHeadRows(DatasetRequest(path), 4)(never)
    assert mapped.mapping == "prompt=q, completion=a"  # type: ignore[attr-defined]
    assert len(mapped.rows) == 1  # type: ignore[attr-defined]
    *_, inspected = InspectDataset(DatasetRequest(path))(never)
    assert isinstance(inspected, InspectedDataset)
    assert (inspected.facts.examples, inspected.mapping) == (1, "prompt=q, completion=a")
    *_, as_it_is = InspectDataset(DatasetRequest(path, None, ""))(never)
    assert as_it_is.facts.examples == 0  # type: ignore[attr-defined]


def test_any_row_of_a_store_is_shown_and_all_are_measured(
    chat_file: Path, key: ModelTokenizer
) -> None:
    done = tokenised(chat_file, key)
    assert done.sets[0].rows == (40,)
    split, rendering = HoldoutSplit(0.1, 0), Rendering(key, True, 24)
    (page,) = LoadTokenPage(done.sets, 0, 0, 37, 5, rendering, split)(never)
    assert isinstance(page, RowPage)
    assert [row.number for row in page.rows] == [37, 38, 39]
    assert [row.place.line for row in page.rows] == [38, 39, 40]
    (whole,) = LoadTokenPage(done.sets, 0, 0, 0, 40, rendering, split)(never)
    ((measured,),) = ComputeStatistics(done.sets, split)(never)  # type: ignore[misc]
    validation_rows = [row for row in whole.rows if row.is_held_out]  # type: ignore[attr-defined]
    assert len(validation_rows) == measured.valid.rows == 4  # type: ignore[attr-defined]
    both = (measured.train, measured.valid)  # type: ignore[attr-defined]
    assert sum(one.usable_tokens(2**31) for one in both) == sum(row.tokens for row in whole.rows)  # type: ignore[attr-defined]
    (long,) = ListLongRows(done.sets[0], 60)(never)
    cut = [row.place.line for row in whole.rows if row.tokens > 60]  # type: ignore[attr-defined]
    assert [problem.place.line for problem in long] == cut  # type: ignore[attr-defined]


def test_a_run_finds_the_store_that_was_made(
    chat_file: Path, key: ModelTokenizer, tiny_model: Path
) -> None:
    from app.data.files.dataset_files import find_files
    from app.data.tokenizing.token_store import RowSettings
    from app.data.training_set.training_data import DataSettings, open_data_stream

    tokenised(chat_file, key)
    rows = RowSettings(mask_prompt=True, replies="every")
    settings = DataSettings(rows, 2048, 4, 0.1)
    opening = open_data_stream(find_files(chat_file), load_tokenizer(tiny_model), settings)
    assert list(opening) == [], "a share would tell that rows are turned into tokens"


def test_a_run_finds_the_store_of_rows_with_today_s_date(
    chat_file: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from app.data.chat.template_environment import with_day
    from app.data.files.dataset_files import find_files
    from app.data.tokenizing.token_store import RowSettings
    from app.data.training_set.training_data import DataSettings, open_data_stream

    model = copied_model(tiny_model, tmp_path / "base")
    template = model / "chat_template.jinja"
    template.write_text("{{ strftime_now('%d %H:%M') }}" + template.read_text())
    today = date.today()
    job = TokenizeDatasets(
        (DatasetRequest(chat_file, None, ""),), ModelTokenizer(model), True, False
    )
    *_, made = job(never)
    assert isinstance(made, TokenizedDatasets)
    assert "asks for the date" in made.template_note
    settings = DataSettings(RowSettings(mask_prompt=True, replies="every"), 2048, 4, 0.1)
    tokenizer = load_tokenizer(model)
    opening = open_data_stream(find_files(chat_file), with_day(tokenizer, today), settings)
    assert list(opening) == []
    another = with_day(tokenizer, today - timedelta(1))
    assert list(open_data_stream(find_files(chat_file), another, settings)) != []


def test_no_store_is_made_where_one_is_only_looked_for(
    chat_file: Path, key: ModelTokenizer
) -> None:
    job = TokenizeDatasets(
        (DatasetRequest(chat_file, None, ""),), key, True, False, only_if_there=True
    )
    assert list(job(never)) == []
    assert len(tokenised(chat_file, key).sets) == 1
    assert len(list(job(never))) == 1


def test_a_tokenisation_closed_early_resumes_where_it_was(
    tmp_path: Path, key: ModelTokenizer
) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"text": f"line {i}"}) + "\n" for i in range(3000)))
    job = TokenizeDatasets((DatasetRequest(path, None, ""),), key, True, False)
    work = job(never)
    next(work)
    while not list((tmp_path / "home" / "cache" / "tokens").glob("*.unfinished/tokens")):
        next(work)
    work.close()  # type: ignore[attr-defined]
    (journal,) = (tmp_path / "home" / "cache" / "tokens").glob("*.unfinished/journal.jsonl")
    taken = json.loads(journal.read_text().splitlines()[-1])["taken"]
    done = tokenised(path, key)
    assert done.sets[0].rows == (3000,)
    assert 0 <= taken < 3000
