"""Frames in, matplotlib Figures out; the only room that imports matplotlib. Nothing happens at import."""
