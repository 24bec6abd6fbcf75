"""Measurements of picluster beside a floor and its rivals. They report, and assert nothing."""
