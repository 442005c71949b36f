"""Recipes: finding a recipe file, decoding it with every fault named, and hashing values."""
