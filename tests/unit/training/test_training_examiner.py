"""The examination: which measures there are after which stages, at which contexts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tiny import CONTEXT, EXAMINATION, LEVELS, PROXY, TEXT_DOMAINS

from mixopt.corpus.store import TokenStore
from mixopt.evaluation.heldout import measure_held_out, read_held_out
from mixopt.evaluation.measure import Measure
from mixopt.proxy.backends.backend import Backend
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.model import Stack
from mixopt.training.examiner import Examination, Examiner


def _backend(*members: int) -> Backend:
    return make_backend(Stack.initialize(PROXY, vocabulary=264, seeds=members or (1,)))


def _measured(
    store: TokenStore,
    examination: Examination = EXAMINATION,
    *,
    answers: bool = True,
    context: int = CONTEXT,
) -> dict[str, Measure]:
    examiner = Examiner(examination, store, CONTEXT)
    (found,) = examiner.measure(_backend(), answers=answers, context=context, stage="late")
    assert len({each.key for each in found}) == len(found)
    return {each.key.removeprefix("late/"): each for each in found}


def test_text_is_measured_always_and_problems_where_answers_are_to_be_had(
    tiny_store: TokenStore,
) -> None:
    texts = {f"bits_per_byte/{subject}" for subject in (*TEXT_DOMAINS, "mean")}
    assert set(_measured(tiny_store, answers=False)) == texts
    both = _measured(tiny_store)
    assert {key.split("/")[1] for key in set(both) - texts} == {*LEVELS, "mean"}
    assert "preference_accuracy/mean" in both
    assert not any(key.startswith("pass_at") for key in both)


def test_bits_per_byte_stay_at_the_proxys_context_and_long_ones_follow_the_stage(
    tiny_store: TokenStore,
) -> None:
    base = _measured(tiny_store, answers=False)
    longer = _measured(tiny_store, answers=False, context=4 * CONTEXT)
    text = tiny_store.inventory.names("text")
    held_out = read_held_out(tiny_store, text, "validation", sequences=4, context=4 * CONTEXT)
    (expected,) = measure_held_out(_backend(), held_out, "late", ["long_bits_per_byte"])
    assert {len(rows) for rows in held_out.tokens} == {4}
    for measure in expected:
        assert longer[f"long_bits_per_byte/{measure.subject}"] == measure
    same = {key: each for key, each in longer.items() if key.startswith("bits_per_byte")}
    assert same == {key: base[key] for key in same}
    assert len(same) == 4


def test_samples_and_levels_add_measures_and_change_none(tiny_store: TokenStore) -> None:
    plain = _measured(tiny_store)
    more = _measured(tiny_store, replace(EXAMINATION, samples=4, more_levels=True))
    assert {key: more[key] for key in plain} == plain
    added = set(more) - set(plain)
    assert {key.split("/")[1] for key in added} == {
        *("addition", "addition@2", "addition@4"),
        *("comparison", "comparison@1", "comparison@3", "mean"),
    }
    assert {key.split("/")[0] for key in added if "@" not in key} == {"pass_at_1", "pass_at_4"}
    assert "margin/addition@4" in added


def test_sequences_are_read_once_for_each_context(
    tiny_store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def spy(*positional: object, context: int, **named: object) -> object:
        read.append(context)
        return read_held_out(*positional, context=context, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("mixopt.training.examiner.read_held_out", spy)
    examiner = Examiner(EXAMINATION, tiny_store, CONTEXT)
    for context in (CONTEXT, 64, CONTEXT, 64, 48):
        examiner.measure(_backend(), answers=False, context=context, stage="late")
    assert read == [CONTEXT, 64, 48]


def test_what_is_not_finite_is_no_measure(tiny_store: TokenStore) -> None:
    backend = _backend(1, 2)
    backend.stack.parameters[0] = float("nan")
    examiner = Examiner(replace(EXAMINATION, more_levels=True), tiny_store, CONTEXT)
    lost, fine = examiner.measure(backend, answers=True, context=CONTEXT, stage="sft")
    assert {each.name for each in lost} <= {"accuracy"}
    assert len(fine) > 30


def test_without_levels_there_are_no_problems(tiny_store: TokenStore) -> None:
    found = _measured(tiny_store, replace(EXAMINATION, levels={}, samples=4, more_levels=True))
    assert len(found) == 4
