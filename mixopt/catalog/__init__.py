"""The catalog: what data there is, in which domains, how much of it, and where it lies."""
