"""Tables, csv and Parquet: out and in, where a column is a field and a row is a line of ours."""
