"""Contacts as Engage knows them: found by member number, noticed when they disappear."""
