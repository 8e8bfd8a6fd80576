"""Ratings and the tables beside them: any file -> clean table -> split -> dense rows.

    file ─readers─> RawData ─cleaning─> CleanData ─splits─> Split ─vocab─> Ratings (by row)

`schema` holds the records that pass between these and the names of columns, `arrays` the NumPy helpers of all later
stages, `files` and `storage` reading and writing in folders and at URLs.
"""
