"""Tables of csv and Parquet on their way in: a column a field, a row a line of ours."""
