"""Bringing an existing program in: files of rows, each booked once, by the very rules of the doors.

`columns` knows which columns a file may have, `balances` and `transactions` turn one row into one
request to the books, and `lanes` says which rows may be posted at the same time: these three decide
and touch nothing. `csv_file` and `parquet_file` read, `rejects` writes, `run` posts.
"""
