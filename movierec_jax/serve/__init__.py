"""A trained run as a service: lists in milliseconds over HTTP, and a page to look at them.

    request ─guards─> app ─bodies─> service ─recorded─> history ─batching─> loaded run ─> list ─catalogue─> JSON
                                        └─> ratings_log (on disk)    reload ───┘

`people` are the users and what they have rated; `engine` has the model in memory and answers many questions at once;
`batching` puts those together that come at the same time; `recorded` keeps ratings that came after training; `reload`
takes a newer run in; `catalogue` and `titles` know the movies. `guards`, and before them `protocol`, keep out what is
too large, too much or not allowed; `problems` says what was wrong, `measures` how it goes; `server` is the process.
"""
