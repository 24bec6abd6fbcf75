"""What the user sees: live progress, plans, recaps."""
