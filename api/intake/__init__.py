"""Reading what callers send: exactly, strictly, and with every mistake named at once.

`reading` is the way in and fast; only where it fails does `explaining` look again, slowly, to say
what is wrong. `understanding` then turns a document into a request to the books.
"""
