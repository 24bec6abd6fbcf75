"""The reusable steps that phases are made of; each judges what a probe saw, and never does I/O."""
