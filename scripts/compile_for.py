"""Compiles training and scoring for a machine that is not here, and says what each of its devices would do.

    python scripts/compile_for.py --target=tpu:v5e:2x4
    python scripts/compile_for.py --target=gpu:h100:2 --ratings=ml-1m.zip --embedding_dim=128
    python scripts/compile_for.py --target=tpu:v5e:8x8 --num_users=480000 --num_movies=18000 --num_ratings=100000000

Needs an environment of its own: python3 -m venv targets && targets/bin/pip install -e '.[targets]'. The other flags are
those of train.py. With numbers of users, movies and ratings in place of ratings there is no content, all are trained
on, and they are spread evenly over users and movies. Figures are of one device and one step of training (a batch), or
one block of users. GFLOP and MB moved are counted from the program: all operations, the rows that are looked up and
added to, and factors of products. MB sent are those of collectives, to any other device. The rate at most is what
products, memory or links allow were each to run at its full rate: a limit, not a forecast.
"""

from absl import flags

from movierec_jax import cli
from movierec_jax.benchmark.capacity.hardware import parse_target, prepare_environment
from movierec_jax.config import DataConfig, DeviceConfig, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.errors import InputError

TARGET = flags.DEFINE_string("target", "tpu:v5e:2x4", "devices, by kind and shape, such as tpu:v5e:2x4 or gpu:h100:2")
SIZE = [
    flags.DEFINE_integer("num_users", None, "users of data that is not here, in place of --ratings", lower_bound=1),
    flags.DEFINE_integer("num_movies", None, "movies of that data", lower_bound=1),
    flags.DEFINE_integer("num_ratings", None, "ratings of that data", lower_bound=1),
]


def main() -> None:
    target = parse_target(TARGET.value)
    config, device_config = cli.config_from_flags(), cli.section_from_flags(DeviceConfig())
    size = [flag.value for flag in SIZE]
    if None in size and any(size):
        raise InputError("--num_users, --num_movies, --num_ratings: give all three, or none and --ratings")
    prepare_environment(target)

    from movierec_jax.benchmark.capacity.compile import compiled_programs, described, inputs_of, inputs_of_size
    from movierec_jax.benchmark.capacity.shapes import Size
    from movierec_jax.model.sharding import new_mesh
    from movierec_jax.runs.prepare import prepare

    devices = target.devices()
    mesh = new_mesh(device_config.mesh, devices)
    inputs = inputs_of(prepare(config, mesh=mesh)) if None in size else inputs_of_size(Size(*size), config, mesh)
    print(f"\n{TARGET.value}, mesh {device_config.mesh or f'data:{target.num_devices}'}\n")
    print(described(compiled_programs(inputs, target, devices), target))


if __name__ == "__main__":
    cli.run(main, [DataConfig, ModelConfig, TrainConfig, EvalConfig, DeviceConfig], __doc__)
