"""Deliberate faults: put one into a deciding module, run the tests that reach it, see who notices.

A fault that no test notices is a *survivor*: either the code does not matter, or a test does not
bite. `python -m tests.mutants --help` says how to run it, docs/testing.md what was found.
"""
