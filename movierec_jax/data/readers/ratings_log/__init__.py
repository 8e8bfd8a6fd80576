"""The ratings log: ratings given after training, and movies of no interest, in an SQLite file of the workdir.

Entries are added. The last entry of a user and a movie counts; one without a rating retracts the earlier ones. Movies
that users are not interested in stand in a table of their own, so that nobody takes them for ratings. Many processes
may add to one log while others read it.

    entries.py  what is recorded, and which values SQLite keeps unchanged
    sql.py      the tables and the statements
    reading.py  the file, and what it holds, for those who only read
    log.py      a log that is open for adding
"""
