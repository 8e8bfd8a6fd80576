"""Values of columns: ratings, times, weights, and the rating scale that they are on."""
