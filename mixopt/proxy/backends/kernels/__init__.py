"""Compiled loops of the CPU backend; importing one of these modules imports the compiler."""
