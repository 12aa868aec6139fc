"""How long to wait before the next try."""

FIRST = 10.0
LONGEST = 3600.0
#: A transient failure that comes so often is told to a person; it is tried on all the same.
ALARM_AFTER = 6
#: Damage on the way counts so often: the third time is an alarm.
DAMAGE = 2


def delay(attempts: int, chance: float) -> float:
    """Seconds until the next try: 10 s doubling to 1 h, spread by ``chance`` in [0, 1).

    The spread (half to whole) keeps runs that failed together from coming back together.
    """
    whole = min(FIRST * 2.0 ** min(attempts, 20), LONGEST)
    return whole * (0.5 + chance / 2)
