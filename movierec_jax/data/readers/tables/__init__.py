"""Tables about movies, users and texts, with named columns."""
