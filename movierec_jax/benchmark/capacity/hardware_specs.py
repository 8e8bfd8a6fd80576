"""Specifications of machines to compile for without owning them, and their devices as compilers see them."""

import dataclasses
import math
import os
import re
from collections.abc import Sequence
from typing import Any

from movierec_jax.errors import InputError
from movierec_jax.packages import install_command


@dataclasses.dataclass(frozen=True)
class ChipSpec:
    """The memory of one device in bytes, and its peak rates in bytes and operations a second.

    memory_rate: to and from its memory. interconnect_rate: to all other devices. flops: of float32 products at JAX's
    default precision, which is bfloat16 on TPUs and TF32 on GPUs.
    """

    memory: float
    memory_rate: float
    interconnect_rate: float
    flops: float


# TPU v5e: https://docs.cloud.google.com/tpu/docs/v5e; H100 SXM: https://www.nvidia.com/en-us/data-center/h100/ (dense).
CHIPS = {
    "tpu:v5e": ChipSpec(memory=16e9, memory_rate=819e9, interconnect_rate=1600e9 / 8, flops=197e12),
    "gpu:h100": ChipSpec(memory=80e9, memory_rate=3.35e12, interconnect_rate=900e9 / 2, flops=494.7e12),
}

# An H100 as XLA describes it (its h100_sxm.txtpb has the fields).
H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152
  shared_memory_per_core: 233472 threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84929347584
  shared_memory_per_block_optin: 232448 cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 7 }
runtime_version { major: 12 minor: 8 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


@dataclasses.dataclass(frozen=True)
class Target:
    """A number of chips of one kind. shape: how they are connected, which only matters for TPUs."""

    kind: str
    shape: tuple[int, ...]

    @property
    def chip(self) -> ChipSpec:
        return CHIPS[self.kind]

    @property
    def platform(self) -> str:
        return self.kind.split(":")[0]

    @property
    def num_devices(self) -> int:
        return math.prod(self.shape)

    def environment(self) -> dict[str, str]:
        """Returns variables that make JAX, loaded afterwards, run on the CPU and neither query nor lock a TPU."""
        return {
            "JAX_PLATFORMS": "cpu",
            "TPU_SKIP_MDS_QUERY": "1",
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
            "TPU_ACCELERATOR_TYPE": f"v5litepod-{self.num_devices}",
            "TPU_WORKER_HOSTNAMES": "localhost",
        }

    def devices(self) -> Sequence[Any]:
        """Returns the devices as compilers see them. Raises InputError if there is no compiler for them."""
        from jax.experimental import topologies

        try:
            if self.platform == "tpu":
                shape = "x".join(map(str, (*self.shape, 1)[:3]))
                return topologies.get_topology_desc(f"v5e:{shape}", "tpu").devices
            shape = f"1x1x{self.num_devices}"
            return topologies.get_topology_desc("", "cuda", topology=shape, target_config=H100).devices
        except Exception as error:  # Each plugin raises its own kinds of errors.
            reason = str(error).split("\n")[0][:200]
            raise InputError(
                f"--target: no compiler for {self.kind} ({reason}): in an environment of its own, "
                f"{install_command('targets')}"
            ) from error

    @property
    def compiler_options(self) -> dict[str, str] | None:
        """Options of the compiler: without a GPU, it cannot time which of two kernels is faster."""
        return {"xla_gpu_autotune_level": "0"} if self.platform == "gpu" else None


def parse_target(text: str) -> Target:
    """Parses a target such as tpu:v5e:2x4 or gpu:h100:8. Raises InputError for any other text."""
    found = re.fullmatch(r"(tpu:v5e|gpu:h100):(\d+(?:x\d+)?)", text)
    shape = tuple(map(int, found[2].split("x"))) if found else ()
    if not found or 0 in shape:
        raise InputError(f"--target={text}: expected {', '.join(f'{kind}:SHAPE' for kind in CHIPS)}, as in tpu:v5e:2x4")
    if found[1] == "tpu:v5e":
        shape = (*shape, 1)[:2]
    return Target(found[1], shape)


def prepare_environment(target: Target) -> None:
    """Sets the variables of `Target.environment`."""
    os.environ.update(target.environment())
