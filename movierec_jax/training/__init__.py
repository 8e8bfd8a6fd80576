"""From ratings by row to trained parameters: squared errors, Adam, many steps in one compiled program.

    batches ─> step (losses, masking, microbatch) ─> TrainState ─> loop ─> progress

`state` holds the training setup and the state that steps change; `sparse_adam` restricts a step to the rows of its
batch.
"""
