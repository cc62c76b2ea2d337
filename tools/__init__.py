"""What only the makers of alexctl run: calibration, generated documents and tables. Not in the wheel."""
