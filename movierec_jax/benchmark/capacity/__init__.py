"""What training and scoring need on machines, and at sizes of data, that are not here.

`hardware_specs` describes machines, `shapes` gives the shapes of arrays for a size of data, `ahead_of_time` compiles
for a machine, and `cost_model` counts operations, bytes and communication between devices.
"""
