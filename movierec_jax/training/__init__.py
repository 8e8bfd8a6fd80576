"""From ratings by row to trained parameters: squared error, Adam, many steps in one program.

    batches ─> step (losses, masking, microbatch) ─> TrainState ─> loop ─> progress

`state` is what a run starts from and carries along; `sparse_adam` keeps a step to the rows of its batch.
"""
