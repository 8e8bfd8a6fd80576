"""The network: a user tower, a movie tower and a head, and beside them the implicit-feedback score.

    rows, interactions, features ─history─> towers ─> head ─> predicted rating          (two_tower)
                                        └──────────> dot product ─> will they watch it  (implicit_feedback)

`inputs` defines the arrays, `interactions` lays ratings and features out as padded sparse links, and `embedding_bag`
sums over them. `tables` names the parameters that have a row per user or movie; `grid` cuts users and movies into cells
of a mesh of devices, and `sharding` spreads arrays over it.
"""
