"""Proxies: K small Llama-shaped decoders trained as one stack with a leading proxy axis."""
