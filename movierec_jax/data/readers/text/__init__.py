"""Delimited text: its layout, its rows, and what its columns hold."""
