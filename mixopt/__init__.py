"""mixopt: the data mixture and ordering of a language model's whole life, optimized at small scale."""

__version__ = "0.1.0"
