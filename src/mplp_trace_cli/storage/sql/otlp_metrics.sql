-- Metric samples for OTLP, in the order in which they arrived.
SELECT name, type, value, unit, help, labels, buckets, epoch_us(timestamp) FROM chosen_metrics ORDER BY seq
