"""What texts say of films: a small model of its own, from words to the probability of praise.

`ngrams` takes texts apart, `model` adds up what their parts say, `fit` learns it from labelled texts, `trained` keeps
what was learnt and asks it, and `run` is the whole of a training run. `default` is what comes with the package: a run
on the reviews of Maas et al. 2011.
"""
