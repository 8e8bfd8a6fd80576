"""Compiles training and scoring for hardware that is elsewhere, and prints the cost per device.

    movierec compile_for --target=tpu:v5e:2x4
    movierec compile_for --target=gpu:h100:2 --ratings=ml-1m.zip --embedding_dim=128
    movierec compile_for --target=tpu:v5e:8x8 --num_users=480000 --num_movies=18000 --num_ratings=100000000

Needs an environment of its own: python3 -m venv targets && targets/bin/pip install -e '.[targets]'. The other flags are
those of movierec train. Numbers of users, movies and ratings stand for data that is not here: without content, all of
it train ratings, spread evenly over users and movies.

Figures are for one device, and one training step (a batch) or one block of users. GFLOP and MB moved are counted from
the program: all operations; gathered and scattered rows, and operands of products. MB sent: by collectives, to any
other device. At most: the rate at which products, memory or the interconnect would be at their peak; a limit, not a
forecast.
"""

from absl import flags

from movierec_jax import cli
from movierec_jax.benchmark.capacity.hardware_specs import parse_target, prepare_environment
from movierec_jax.config import DeviceConfig, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError

TARGET = flags.DEFINE_string(
    "target", "tpu:v5e:2x4", "devices to compile for, by kind and shape, such as tpu:v5e:2x4 or gpu:h100:2"
)
SIZE = [
    flags.DEFINE_integer("num_users", None, "number of users, instead of --ratings", lower_bound=1),
    flags.DEFINE_integer("num_movies", None, "number of movies, instead of --ratings", lower_bound=1),
    flags.DEFINE_integer("num_ratings", None, "number of ratings, instead of --ratings", lower_bound=1),
]


def main() -> None:
    target = parse_target(TARGET.value)
    config, device_config = cli.config_from_flags(), cli.section_from_flags(DeviceConfig())
    size = [flag.value for flag in SIZE]
    if None in size and any(size):
        raise InputError("--num_users, --num_movies, --num_ratings: give all three, or none and --ratings")
    prepare_environment(target)

    from movierec_jax.benchmark.capacity.ahead_of_time import as_table, compile_programs, inputs_of_run, inputs_of_size
    from movierec_jax.benchmark.capacity.shapes import DataSize
    from movierec_jax.model.sharding import new_mesh
    from movierec_jax.runs.prepare import prepare

    devices = target.devices()
    mesh = new_mesh(device_config.mesh, devices)
    if None in size:
        inputs = inputs_of_run(prepare(config, mesh=mesh))
    else:
        inputs = inputs_of_size(DataSize(*size), config, mesh)
    print(f"\n{TARGET.value}, mesh {device_config.mesh or f'data:{target.num_devices}'}\n")
    print(as_table(compile_programs(inputs, target, devices), target))


def run() -> None:
    cli.run(main, [DataConfig, ModelConfig, TrainConfig, EvalConfig, DeviceConfig], __doc__)
