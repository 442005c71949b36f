import pickle

import pytest

from mixopt import errors
from mixopt.errors import Fault, MixoptError, RecipeError, SupplyError

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, MixoptError)
]


def test_every_kind_has_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in KINDS]
    assert len(set(codes)) == len(codes) > 9
    assert not {0, 2} & set(codes)  # success, and a wrong command line


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not RecipeError])
def test_all_texts_survive_the_way_between_processes(kind: type[MixoptError]) -> None:
    error = kind("what", why="why", remedy="remedy")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.what, again.why, again.remedy) == ("what", "why", "remedy")
    assert (str(again), again.args) == ("what\nwhy\nremedy", error.args)


def test_faults_survive_too() -> None:
    faults = [
        Fault(key="a.b", expected="x", found="y", nearest="z"),
        Fault(key="c", expected="d", found="e"),
    ]
    again = pickle.loads(pickle.dumps(RecipeError("some.toml", faults)))
    assert (again.file, again.faults) == ("some.toml", faults)
    assert str(again) == (
        "some.toml: 2 faults\n"
        "  - a.b: expected x, found y; did you mean 'z'?\n"
        "  - c: expected d, found e\n"
        "Mend the file and run it again."
    )


def test_empty_texts_leave_no_empty_lines() -> None:
    assert str(SupplyError("what", remedy="remedy")) == "what\nremedy"
    assert str(SupplyError("what")) == "what"
    assert str(RecipeError("f", [faults := Fault(key="k", expected="x", found="y")])) == (
        f"f: 1 fault\n  - {faults}\nMend the file and run it again."
    )
