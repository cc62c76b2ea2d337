"""How often the rules of `verdicts` are wrong, measured on campaigns made up by the thousand. No training, no torch."""
