"""A stand-in MoEngage: it takes events and users as the Data API does, and tells what is wrong.

The real one answers 200 to nearly everything and mangles or ignores silently; this one answers the
same and writes down what would have been lost. It imports nothing of the project it helps to test.
"""
