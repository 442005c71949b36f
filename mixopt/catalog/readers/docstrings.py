"""The docstrings of Python sources: one document a file, with the prose that its author wrote."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File
from mixopt.catalog.readers.intake import BadRecordError, DamagedFileError, Intake
from mixopt.catalog.readers.records import checked_document
from mixopt.catalog.readers.unpack import unpacked_whole

INCLUDE = ("*.py",)

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def read_docstrings(file: File, intake: Intake) -> Iterator[Document]:
    """Yield the docstrings of one source, in order, with blank lines between.

    A source without docstrings holds no document; it is not broken.
    """
    try:
        text = docstrings_in(unpacked_whole(file))
        if text:
            document = checked_document(Document(text=text))
            intake.accept()
            yield document
    except DamagedFileError as error:
        intake.quarantine("byte", error.offset, str(error))
    except SyntaxError as error:
        intake.quarantine("line", error.lineno or 0, f"no Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) if isinstance(error, BadRecordError) else f"no Python: {error}"
        intake.quarantine("file", 0, reason)


def docstrings_in(source: bytes) -> str:
    """Return the docstrings of a module, its classes and functions, in the order they stand in.

    Raises:
        SyntaxError: the source is no Python.
        ValueError: it has null bytes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Old sources spell escapes that Python now warns about.
        tree = ast.parse(source)
    found = ((node.body[0].lineno, ast.get_docstring(node)) for node in _documented(tree))
    return "\n\n".join(
        text for _, text in sorted((at, text or "") for at, text in found) if text.strip()
    )


def _documented(tree: ast.Module) -> Iterator[Documented]:
    """Yield what can have a docstring; only blocks are entered, as expressions hold none."""
    blocks: list[ast.AST] = [tree]
    while blocks:
        node = blocks.pop()
        if isinstance(node, Documented) and node.body:
            yield node
        for name in _BLOCKS:
            blocks.extend(getattr(node, name, ()))
