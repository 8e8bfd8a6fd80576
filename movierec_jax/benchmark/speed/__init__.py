"""How fast everything is, beside what people would use instead and beside what the machine can do.

    config ─suite─> measures, one after another ──> Figure: seconds of ours and of others, taken in turn ──> table

Each measure is a file with `measure`, which takes the benchmark's config and gives figures; `timing` takes the times,
`synthetic` makes ratings of any number.
"""
