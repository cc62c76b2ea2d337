"""alexctl puts architectural claims to the test, starting with those of the AlexNet paper (2012)."""

__version__ = "0.1.0"
