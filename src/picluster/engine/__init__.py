"""Probe, plan, apply: the part of picluster that knows neither Kubernetes nor Raspberry Pis.

Read in this order: `step` (what a unit of work is), `survey` (what has been seen), `plan` (what
differs, a pure function), `phase` (steps in order, on which targets), `runner` (making it so).
"""
