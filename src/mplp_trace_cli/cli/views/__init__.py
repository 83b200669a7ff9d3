"""How answers look: every format, and for people the tables, trees, charts and lines."""
