"""The chaos suite, `make chaos`: breaks alexctl for real, through its command line, and counts what survives."""
