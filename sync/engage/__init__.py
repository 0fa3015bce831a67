"""Voyado Engage as the point follower of the books."""
