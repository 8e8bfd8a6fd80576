"""Machines to compile for without owning them: what they are made of, and their devices as compilers see them."""

import dataclasses
import math
import os
import re
from collections.abc import Sequence
from typing import Any

from movierec_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Chip:
    """What one device does, in bytes, bytes and operations a second.

    memory: of the device. memory_rate: to and from it. link_rate: to all other devices. flops: of products of float32
    as JAX takes them unless told otherwise, which is bfloat16 on TPUs and TF32 on GPUs.
    """

    memory: float
    memory_rate: float
    link_rate: float
    flops: float


# TPU v5e: https://docs.cloud.google.com/tpu/docs/v5e; H100 SXM: https://www.nvidia.com/en-us/data-center/h100/ (dense).
CHIPS = {
    "tpu:v5e": Chip(memory=16e9, memory_rate=819e9, link_rate=1600e9 / 8, flops=197e12),
    "gpu:h100": Chip(memory=80e9, memory_rate=3.35e12, link_rate=900e9 / 2, flops=494.7e12),
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
    """So many chips of a kind; shape: how they lie, which matters to TPUs alone."""

    kind: str
    shape: tuple[int, ...]

    @property
    def chip(self) -> Chip:
        return CHIPS[self.kind]

    @property
    def platform(self) -> str:
        return self.kind.split(":")[0]

    @property
    def num_devices(self) -> int:
        return math.prod(self.shape)

    def environment(self) -> dict[str, str]:
        """What must be set before JAX is loaded: it works on the CPU, looks for no machine and locks none."""
        return {
            "JAX_PLATFORMS": "cpu",
            "TPU_SKIP_MDS_QUERY": "1",
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
            "TPU_ACCELERATOR_TYPE": f"v5litepod-{self.num_devices}",
            "TPU_WORKER_HOSTNAMES": "localhost",
        }

    def devices(self) -> Sequence[Any]:
        """The devices as compilers see them. Raises InputError where there is no compiler for them."""
        from jax.experimental import topologies

        try:
            if self.platform == "tpu":
                shape = "x".join(map(str, (*self.shape, 1)[:3]))
                return topologies.get_topology_desc(f"v5e:{shape}", "tpu").devices
            shape = f"1x1x{self.num_devices}"
            return topologies.get_topology_desc("", "cuda", topology=shape, target_config=H100).devices
        except Exception as error:  # Each plugin has errors of its own.
            reason = str(error).split("\n")[0][:200]
            raise InputError(
                f"--target: no compiler for {self.kind} ({reason}): in an environment of its own, pip install "
                "'movierec_jax[targets]'"
            ) from error

    @property
    def options(self) -> dict[str, str] | None:
        """Settings of the compiler: a GPU that is not there cannot be asked which of two kernels is faster."""
        return {"xla_gpu_autotune_level": "0"} if self.platform == "gpu" else None


def parse_target(text: str) -> Target:
    """The target of a text such as tpu:v5e:2x4 or gpu:h100:8. Raises InputError where it is none."""
    found = re.fullmatch(r"(tpu:v5e|gpu:h100):(\d+(?:x\d+)?)", text)
    shape = tuple(map(int, found[2].split("x"))) if found else ()
    if not found or 0 in shape:
        raise InputError(f"--target={text}: expected {', '.join(f'{kind}:SHAPE' for kind in CHIPS)}, as in tpu:v5e:2x4")
    if found[1] == "tpu:v5e":
        shape = (*shape, 1)[:2]
    return Target(found[1], shape)


def prepare_environment(target: Target) -> None:
    """Sets what `Target.environment` asks for."""
    os.environ.update(target.environment())
