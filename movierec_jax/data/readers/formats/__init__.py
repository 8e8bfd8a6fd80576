"""Formats of ratings besides delimited text, and which one a file has."""
