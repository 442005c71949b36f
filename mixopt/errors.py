"""The mistakes a user can make, one class each, with the exit code that the command ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class MixoptError(Exception):
    """A mistake that the user can mend; printed without a traceback.

    Args:
        what: what is wrong and where (file, key, name).
        why: the reason, with the numbers.
        remedy: what to do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the whole text: what, why and remedy on lines of their own."""
        return "\n".join(part for part in (self.what, self.why, self.remedy) if part)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep all three texts when a worker process hands the error back."""
        return (_rebuild, (type(self), self.__dict__))


def _rebuild(kind: type[MixoptError], state: dict[str, object]) -> MixoptError:
    error = kind.__new__(kind)
    Exception.__init__(error, state.get("what", ""))
    error.__dict__.update(state)
    return error


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault of a recipe: where it is, what was expected and what was found."""

    key: str
    expected: str
    found: str
    nearest: str = ""

    def __str__(self) -> str:
        """Return the fault as one line."""
        hint = f"; did you mean '{self.nearest}'?" if self.nearest else ""
        return f"{self.key}: expected {self.expected}, found {self.found}{hint}"


class RecipeError(MixoptError):
    """A recipe file has faults; all of them are listed."""

    exit_code = 3

    def __init__(self, file: str, faults: list[Fault]) -> None:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{file}: {count}", why=listed, remedy="Mend the file and run it again.")
        self.file = file
        self.faults = faults


class NotFoundError(MixoptError):
    """A file, recipe, domain or study that was named does not exist."""

    exit_code = 4


class CatalogError(MixoptError):
    """The catalog cannot be built or read as asked."""

    exit_code = 5


class QueryError(MixoptError):
    """A SQL statement is refused or fails."""

    exit_code = 6


class SupplyError(MixoptError):
    """A schedule asks for more tokens than the catalog can give."""

    exit_code = 7


class StudyError(MixoptError):
    """A study cannot run, resume or be read as asked."""

    exit_code = 8


class LawError(MixoptError):
    """A law cannot be fitted to the results at hand."""

    exit_code = 9


class ExportError(MixoptError):
    """A schedule cannot be expressed in the target's terms."""

    exit_code = 10


class CheckpointError(MixoptError):
    """A checkpoint is missing, damaged or of another shape."""

    exit_code = 11


class DeviceError(MixoptError):
    """A device is missing, or too small for a proxy."""

    exit_code = 12
