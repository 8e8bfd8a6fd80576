"""What a program costs: operations and memory traffic from what was traced, collectives from what was compiled.

Compilers count the body of a loop once. What was traced says how long loops are; a loop that does not, which is that
over the steps of an epoch, counts once, so that all figures are of one step.
"""

import dataclasses
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr

COLLECTIVES = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")

BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "s64": 8, "u64": 8, "f64": 8}


@dataclasses.dataclass(frozen=True)
class Work:
    """Of one device: operations, and bytes of rows that are looked up or added to and of factors of products."""

    flops: float = 0.0
    bytes: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.flops + other.flops, self.bytes + other.bytes)

    def times(self, factor: float) -> "Work":
        return Work(self.flops * factor, self.bytes * factor)


def work_of(jaxpr: Any, num_devices: int = 1) -> Work:
    """The work of a traced program on each of so many devices, among which all is shared alike."""
    return sum((work_of_equation(equation, num_devices) for equation in jaxpr.eqns), Work())


def work_of_equation(equation: Any, num_devices: int) -> Work:
    """The same of one equation and of all that is inside it."""
    name, parameters = equation.primitive.name, equation.params
    if name == "shard_map":
        # Inside it shapes are those of a device.
        return work_of(parameters["jaxpr"], 1)
    if name == "while":
        return work_of(parameters["body_jaxpr"].jaxpr, num_devices)
    if name == "cond":
        branches = [work_of(branch.jaxpr, num_devices) for branch in parameters["branches"]]
        return max(branches, key=lambda work: work.flops)
    inner = list(jaxprs_in(parameters))
    if inner and not name.startswith(("scatter", "reduce")):
        length = parameters["length"] if name == "scan" else 1
        return sum((work_of(jaxpr, num_devices) for jaxpr in inner), Work()).times(float(length))
    made = sum(size_of(variable) for variable in equation.outvars)
    if name == "dot_general":
        (contracted, _), _ = parameters["dimension_numbers"]
        length = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
        work = Work(2.0 * made * length, 4.0 * (made + sum(size_of(factor) for factor in equation.invars)))
    elif name == "gather":
        work = Work(0.0, 2 * 4.0 * made)
    elif name.startswith("scatter"):
        work = Work(float(size_of(equation.invars[2])), 3 * 4.0 * size_of(equation.invars[2]))
    else:
        work = Work(float(made), 0.0)
    return work.times(1 / num_devices)


def jaxprs_in(parameters: dict[str, Any]) -> Iterator[Any]:
    """The programs among the parameters of an equation."""
    for value in parameters.values():
        for item in value if isinstance(value, tuple | list) else [value]:
            if isinstance(item, ClosedJaxpr):
                yield item.jaxpr
            elif isinstance(item, Jaxpr):
                yield item


def size_of(variable: Any) -> int:
    """How many numbers an array has."""
    return math.prod(getattr(variable.aval, "shape", ()))


@dataclasses.dataclass(frozen=True)
class Collective:
    """One place in a compiled program where devices exchange arrays: so many times a step, so many bytes of each.

    devices: those that exchange them with one another.
    """

    kind: str
    shape: str
    times: int
    bytes: int
    devices: int

    @property
    def sent(self) -> float:
        """Bytes that each device sends at least, each time."""
        if self.kind == "collective-permute":
            return float(self.bytes)
        # All-reduce is a reduce-scatter and an all-gather.
        return self.bytes * (2 if self.kind == "all-reduce" else 1) * (self.devices - 1) / self.devices


def collectives_of(text: str) -> list[Collective]:
    """The collectives of a compiled program, from XLA's text of it."""
    computations: dict[str, list[str]] = defaultdict(list)
    name = entry = ""
    for line in text.splitlines():
        if head := re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            name = head[2]
            entry = name if head[1] else entry
        elif name:
            computations[name].append(line)
    found: dict[Any, Collective] = {}

    def walk(name: str, times: int) -> None:
        for line in computations[name]:
            operation = re.match(rf"\s*(?:ROOT )?%?[\w.\-]+ = (.*?) ({'|'.join(COLLECTIVES)})(-start)?\(", line)
            if operation:
                devices = devices_of(line)
                size = bytes_exchanged(operation[2], bool(operation[3]), bytes_of(operation[1]), devices)
                kind = "reduce-scatter" if name.startswith("all-reduce-scatter") else operation[2]
                # One that is done bit by bit beside other work stands in the text once for each bit.
                chain = re.search(r'channel_id=(\d+).*chain_id="(\d+)"', line)
                key = chain.groups() if chain else len(found)
                found[key] = Collective(kind, operation[1], times, size, devices)
            trips = re.search(r'known_trip_count":\{"n":"(\d+)"', line)
            for inner in re.findall(r"(?:calls|to_apply|body|called_computations)=\{?%?([\w.\-]+)", line):
                walk(inner, times * (int(trips[1]) if trips else 1))

    walk(entry, 1)
    return list(found.values())


def devices_of(line: str) -> int:
    """How many devices take part together in a collective; 1 where the text does not say."""
    if listed := re.search(r"replica_groups=\{\{([\d,]+)\}", line):
        return listed[1].count(",") + 1
    if counted := re.search(r"replica_groups=\[\d+,(\d+)\]", line):
        return int(counted[1])
    if named := re.search(r"replica_groups=mesh\[(.*?)\] \{(.*?)\}", line):
        lengths = dict(re.findall(r"'(\w+)'=(\d+)", named[1]))
        return math.prod(int(lengths[axis]) for axis in re.findall(r"'(\w+)'", named[2]))
    return 1


def bytes_exchanged(kind: str, is_start: bool, num_bytes: int, num_devices: int) -> int:
    """The bytes of the longer of what goes in and what comes out of a collective, of which the text has `num_bytes`.

    It has what comes out; of one that is only begun what goes in as well, but for all-reduce.
    """
    if kind == "reduce-scatter" and not is_start:
        return num_bytes * num_devices
    if not is_start or kind == "all-reduce":
        return num_bytes
    if kind in ("all-gather", "reduce-scatter"):
        return num_bytes * num_devices // (num_devices + 1)
    return num_bytes // 2


def bytes_of(shape: str) -> int:
    """The bytes of all arrays of a shape such as (f32[8,4]{1,0}, u32[])."""
    total = 0
    for kind, axes in re.findall(r"\b([a-z]+\d*)\[([\d,]*)\]", shape):
        total += BYTES.get(kind, 4) * math.prod(int(length) for length in axes.split(",") if length)
    return total
