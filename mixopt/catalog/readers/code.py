"""Program sources, one document a file, labelled with their language."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from mixopt.catalog.conditions import PROGRAMMING_LANGUAGE
from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.readers.text import whole_text

OTHER_LANGUAGE = "Other"
"""The language of files whose name tells none."""

# Languages are called as GitHub Linguist calls them.
_SUFFIXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Assembly": ("asm", "s"),
        "Batchfile": ("bat", "cmd"),
        "C": ("c", "h"),
        "C#": ("cs",),
        "C++": ("cc", "cpp", "cxx", "hh", "hpp", "hxx"),
        "CMake": ("cmake",),
        "CSS": ("css",),
        "Clojure": ("clj", "cljc", "cljs"),
        "CoffeeScript": ("coffee",),
        "Common Lisp": ("lisp",),
        "Cuda": ("cu", "cuh"),
        "Dart": ("dart",),
        "Elixir": ("ex", "exs"),
        "Emacs Lisp": ("el",),
        "Erlang": ("erl", "hrl"),
        "F#": ("fs", "fsi", "fsx"),
        "Fortran": ("f", "f90", "f95"),
        "Go": ("go",),
        "Groovy": ("gradle", "groovy"),
        "HTML": ("htm", "html"),
        "Haskell": ("hs",),
        "Java": ("java",),
        "JavaScript": ("cjs", "js", "jsx", "mjs"),
        "Julia": ("jl",),
        "Kotlin": ("kt", "kts"),
        "Lean": ("lean",),
        "Lua": ("lua",),
        "Nix": ("nix",),
        "OCaml": ("ml", "mli"),
        "Objective-C": ("m", "mm"),
        "PHP": ("php",),
        "Pascal": ("pas",),
        "Perl": ("pl", "pm"),
        "PowerShell": ("ps1", "psm1"),
        "Protocol Buffer": ("proto",),
        "Python": ("py", "pyi"),
        "R": ("r",),
        "Ruby": ("rake", "rb"),
        "Rust": ("rs",),
        "SCSS": ("scss",),
        "SQL": ("sql",),
        "Scala": ("sbt", "scala"),
        "Scheme": ("scm",),
        "Shell": ("bash", "sh", "zsh"),
        "Solidity": ("sol",),
        "Swift": ("swift",),
        "SystemVerilog": ("sv", "svh"),
        "Tcl": ("tcl",),
        "TeX": ("tex",),
        "TypeScript": ("cts", "mts", "ts", "tsx"),
        "VHDL": ("vhd", "vhdl"),
        "Verilog": ("v",),
        "Vim Script": ("vim",),
        "Vue": ("vue",),
        "Zig": ("zig",),
    }
)
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "CMakeLists.txt": "CMake",
        "Dockerfile": "Dockerfile",
        "GNUmakefile": "Makefile",
        "Gemfile": "Ruby",
        "Makefile": "Makefile",
        "Rakefile": "Ruby",
        "makefile": "Makefile",
    }
)
_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {suffix: language for language, suffixes in _SUFFIXES.items() for suffix in suffixes}
)

INCLUDE = (*(f"*.{suffix}" for suffix in _LANGUAGES), "*.R", "*.S", *_NAMES)


def read_code(file: File, intake: Intake) -> Iterator[Document]:
    """Yield the file's text, with Unix line ends and the label `programming_language`."""
    labels = ((PROGRAMMING_LANGUAGE, programming_language(file.location)),)
    document = whole_text(file, intake, labels)
    if document is not None:
        intake.accept()
        yield document


def programming_language(location: str) -> str:
    """Return the language that a file's name tells; a suffix of packing is no part of it."""
    name = posixpath.basename(location).removesuffix(".gz").removesuffix(".zst")
    suffix = posixpath.splitext(name)[1].removeprefix(".").lower()
    return _NAMES.get(name) or _LANGUAGES.get(suffix, OTHER_LANGUAGE)
