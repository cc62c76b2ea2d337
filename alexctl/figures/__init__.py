"""Frames in, matplotlib Figures out; the only wing that imports matplotlib, and without pyplot. Nothing happens at import."""
