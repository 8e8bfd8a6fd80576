"""The network: a user tower, a movie tower and a head, and beside them the implicit-feedback score.

    rows, interactions, features ─history─> towers ─> head ─> predicted rating          (two_tower)
                                        └──────────> dot product ─> will they watch it  (implicit_feedback)

`interactions` lays ratings and features out as padded sparse links, `embedding_bag` sums over them, `inputs` names the
arrays; `grid` cuts users and movies into cells of a mesh and `sharding` places arrays on it.
"""
