"""Readers: one file per format, each turning a file into documents and setting broken input aside."""
