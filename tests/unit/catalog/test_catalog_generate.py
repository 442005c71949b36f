import json
from pathlib import Path

import pytest

from mixopt.catalog.documents import Document
from mixopt.catalog.generate import task_documents, write_shards
from mixopt.catalog.made_sources import Style, TasksSource
from mixopt.tasks.registry import FAMILIES
from mixopt.tasks.sample import sample_problems


def source(style: Style, **options: object) -> TasksSource:
    settings = {"reader": "tasks", "style": style, "documents": 50, **options}
    return TasksSource.model_validate(settings)


def test_documents_hold_the_problems_asked_for() -> None:
    documents = list(task_documents(source("statement", problems_per_document=6), 3))
    lines = [line for document in documents for line in document.text.splitlines()]
    assert [len(document.text.splitlines()) for document in documents] == [6] * 50
    assert len(set(lines)) == len(lines)
    for line in lines[:40]:
        question, answer = line.rsplit(" = ", 1)
        assert any(_solves(name, question, answer) for name in FAMILIES)


def _solves(family: str, question: str, answer: str) -> bool:
    try:
        return FAMILIES[family].solve(question) == answer
    except ValueError:
        return False


def test_no_problem_of_the_tasks_other_splits_is_written() -> None:
    levels = {"addition": [2], "counting": [1]}
    options = {"families": list(levels), "levels": levels, "documents": 10_000}
    questions = {
        document.messages[0][1] for document in task_documents(source("conversation", **options), 0)
    }
    assert len(questions) > 60
    for family, (level,) in levels.items():
        for split in ("validation", "test"):
            held_out = sample_problems(family, level=level, split=split, count=1, seed=1)
            assert held_out[0].question not in questions


def test_problems_run_out_before_they_repeat() -> None:
    options = {"families": ["addition"], "levels": {"addition": [1, 2]}, "documents": 10_000}
    documents = list(task_documents(source("conversation", **options), 0))
    total = sum(FAMILIES["addition"].num_problems(level) for level in (1, 2))
    assert 0.5 * total < len(documents) <= total
    assert len(set(documents)) == len(documents)


def test_a_limit_in_bytes_stops_the_writing() -> None:
    limited = TasksSource(reader="tasks", style="derivation", limit_bytes=20_000)
    documents = list(task_documents(limited, 0))
    sizes = [document.num_bytes for document in documents]
    assert sum(sizes[:-1]) < 20_000 <= sum(sizes)
    assert documents == list(task_documents(limited, 0))
    assert documents != list(task_documents(limited, 1))


def test_a_document_is_as_difficult_as_its_problems_on_average() -> None:
    options = {"families": ["recall"], "levels": {"recall": [2, 4]}, "documents": 60}
    singles = list(task_documents(source("statement", **options), 0))
    pairs = {2.0: 2, 4.0: 4}  # to remember, by level
    for document in singles:
        ((name, value),) = document.scores
        assert (name, pairs[value]) == ("difficulty", len(document.text.split()) - 5)
    doubles = task_documents(source("statement", **options, problems_per_document=2), 0)
    assert {document.scores[0][1] for document in doubles} == {2.0, 3.0, 4.0}


def test_difficulties_of_levels_may_be_given() -> None:
    options = {"families": ["addition"], "levels": {"addition": [1, 3]}, "documents": 60}
    tried = source("statement", **options, difficulties={"addition": {"1": 0.25}})
    assert {document.scores[0][1] for document in task_documents(tried, 0)} == {0.25, 3.0}


@pytest.mark.parametrize("style", ["statement", "derivation", "conversation"])
def test_all_families_take_part_evenly(style: Style) -> None:
    documents = list(task_documents(source(style, documents=800), 0))
    first_words = [(d.text or d.messages[0][1]).split()[0] for d in documents]
    counts = [first_words.count(word) for word in set(first_words)]
    assert len(counts) >= 8
    assert sum(counts) == 800


def test_shards_are_json_lines_named_by_their_content(tmp_path: Path) -> None:
    scored = Document(text="é", scores=(("difficulty", 2.5),))
    documents = [scored, Document(messages=(("user", "q"), ("assistant", "a")))]
    (path,) = write_shards(iter(documents), tmp_path, 0)
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert records[0] == {"text": "é", "difficulty": 2.5}
    assert [turn["role"] for turn in records[1]["messages"]] == ["user", "assistant"]
    assert write_shards(iter(documents), tmp_path, 0) == [path]
    (other,) = write_shards(iter(documents[:1]), tmp_path, 0)
    assert sorted(tmp_path.iterdir()) == sorted([path, other])


def test_shards_are_parted_by_size(tmp_path: Path) -> None:
    documents = [Document(text=str(number) * 1_500_000) for number in range(5)]
    paths = write_shards(iter(documents), tmp_path, 2)
    assert [path.name.split(".")[0] for path in paths] == ["part-2-000", "part-2-001"]
    assert sum(len(path.read_text().splitlines()) for path in paths) == 5
