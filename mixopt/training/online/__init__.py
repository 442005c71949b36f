"""Policies that move the mixture while a proxy trains, each a pure pair of `init` and `update`."""
