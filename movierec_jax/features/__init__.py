"""Makes weighted sparse features of movies and users, besides their ids.

`content` uses the data's own tables, `feature_tables` files that a user adds; both build `bags` of features. `reviews`
uses texts, which `review_cleaning` matches to movies and `sentiment` judges. `rating_time` uses the time of a rating.
"""
