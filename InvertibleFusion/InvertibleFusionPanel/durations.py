"""Times in words."""

from slicer.i18n import tr as _

SECONDS_OF_A_MINUTE = 60
SECONDS_OF_AN_HOUR = 3600


def duration(seconds: float) -> str:
    """Seconds as people say them: "4 s", "2 min 5 s", "1 h 20 min"."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, SECONDS_OF_AN_HOUR)
    minutes, left = divmod(rest, SECONDS_OF_A_MINUTE)
    if hours:
        return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
    if minutes:
        return _("{minutes} min {seconds} s").format(minutes=minutes, seconds=left)
    return _("{seconds} s").format(seconds=left)


def progressInWords(done: int, total: int, seconds: float, sinceFirst: float) -> str:
    """Slices, elapsed and remaining time; the latter from the second slice on, since the first one warms up.

    Args:
        done: slices that are finished.
        total: slices in all.
        seconds: since the start.
        sinceFirst: seconds since the first slice was finished.
    """
    elapsed = duration(seconds)
    if done < 2:
        return _("Slice {done} of {total}, {elapsed} elapsed").format(done=done, total=total, elapsed=elapsed)
    remaining = duration(sinceFirst / (done - 1) * (total - done))
    return _("Slice {done} of {total}, {elapsed} elapsed, about {remaining} left").format(
        done=done, total=total, elapsed=elapsed, remaining=remaining
    )
