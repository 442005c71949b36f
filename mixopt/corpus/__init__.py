"""The corpus: documents as memory-mapped tokens, once per domain and tokenizer."""
