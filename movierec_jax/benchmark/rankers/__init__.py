"""Each file is a recommender whose lists ours are compared with."""
