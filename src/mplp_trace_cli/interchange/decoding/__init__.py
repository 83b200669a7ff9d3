"""From lines to valid records: what was read, as batches that a load inserts, and the lines that are none."""
