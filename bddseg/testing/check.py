"""What contracts of all interfaces use."""


def check(holds: bool, otherwise: str) -> None:
    """Raise AssertionError with a text if a condition does not hold."""
    if not holds:
        raise AssertionError(otherwise)
