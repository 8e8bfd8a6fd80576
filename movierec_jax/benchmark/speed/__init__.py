"""How fast everything is, compared with what people would use instead and with the limits of the machine.

    config ─suites.speed─> measures, one after another ──> Timing: seconds of our model and of others, in turn ──> table

Each measure is a module with `measure`, which takes the benchmark's config and returns timings. `timing` takes the
times, `synthetic_data` makes ratings of any number.
"""
