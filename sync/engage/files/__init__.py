"""Files in place of calls: the first load of a program's points, written, and read back."""
