"""Which user or movie an id or a title names: ids as given, ids of IMDb and TMDb, titles."""
