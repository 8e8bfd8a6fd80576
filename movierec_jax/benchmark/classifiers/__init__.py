"""What tells praise from blame, to compare with, one in each file; its name is that in `config.CLASSIFIERS`.

Each file has `CLASSIFIER`, a `classifier.Classifier`.
"""
