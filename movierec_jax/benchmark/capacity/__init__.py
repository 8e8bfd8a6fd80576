"""What programs need on machines, and with data, that are not here.

`hardware` names the machines, `shapes` the sizes of data, `compile` compiles for them ahead of time, and `cost_model`
counts operations, bytes and what devices send each other.
"""
