"""What is known of movies and users besides their ids, as weighted sparse features.

`content` makes features of the data's own tables and of feature files, `reviews` of what people wrote, whose movies
`review_cleaning` finds and whose praise `sentiment` tells; `rating_time` of when a rating was given.
"""
