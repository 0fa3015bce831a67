"""What goes wrong, said to the person who has to put it right: RFC 9457 problem documents.

`catalogue` holds every code there is with its status and explanation; `fields` the codes of single
fields; `problem` makes the document of one occurrence.
"""
