"""From ratings by row to trained parameters: squared errors, Adam, many steps in one compiled program.

    batches ─> step (losses, masking, microbatch) ─> TrainState ─> loop ─> progress

`state` holds the training setup and the state that steps change; `sparse_adam` trains the rows of a batch alone.
"""
