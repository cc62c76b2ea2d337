"""The fault suite, `make faults`: breaks alexctl for real, through its command line, and counts what survives."""
