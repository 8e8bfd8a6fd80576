"""Ratings and the tables beside them: any file -> clean table -> split -> dense rows.

    file ─readers─> RawData ─cleaning─> CleanData ─splits─> Split ─vocab─> Ratings (by row)

`schema` holds the records that pass between stages and the names of columns. `arrays` has NumPy helpers for all later
stages; `files` and `storage` read and write files in folders and at URLs; `bounded_folder` limits the size of caches.
"""
