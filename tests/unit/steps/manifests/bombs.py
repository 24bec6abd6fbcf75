"""YAML that is small and harms whoever takes it at its word."""

DEEP = "[" * 100_000
ALIASES = "l0: &l0 [x, x]\n" + "".join(
    f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]\n" for level in range(1, 12)
)
DEEP_ALIASES = "l0: &l0 [x]\n" + "".join(
    f"l{level}: &l{level} [*l{level - 1}]\n" for level in range(1, 5000)
)
ITSELF = "a: &a\n  b: [*a]\n"
