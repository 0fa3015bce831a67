"""Taking everything out: rows of the books, written down exactly, in a form others can read.

`fields` says what a column holds, `datasets` which columns and rows there are, `text` and
`parquet_file` write them. Nothing is held in memory but some thousands of rows.
"""
