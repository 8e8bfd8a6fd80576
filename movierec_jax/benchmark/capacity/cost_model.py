"""Costs of a program: operations and memory traffic from its jaxpr, collectives from the compiled program.

XLA's own cost analysis counts the body of a loop once, but a jaxpr has the length of most loops. The loop over the
steps of an epoch has no fixed length and counts once, so all figures are of one step.
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
class Cost:
    """Cost on one device: operations, and bytes of gathered or scattered rows and of operands of products."""

    flops: float = 0.0
    bytes: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    def times(self, factor: float) -> "Cost":
        return Cost(self.flops * factor, self.bytes * factor)


def jaxpr_cost(jaxpr: Any, num_devices: int = 1) -> Cost:
    """Returns the cost of a traced program on each of `num_devices`, which share it evenly."""
    return sum((equation_cost(equation, num_devices) for equation in jaxpr.eqns), Cost())


def equation_cost(equation: Any, num_devices: int) -> Cost:
    """Returns the cost of an equation, with all programs inside it, on each device."""
    name, parameters = equation.primitive.name, equation.params
    if name == "shard_map":
        # Shapes inside are those of one device.
        return jaxpr_cost(parameters["jaxpr"], 1)
    if name == "while":
        return jaxpr_cost(parameters["body_jaxpr"].jaxpr, num_devices)
    if name == "cond":
        branches = [jaxpr_cost(branch.jaxpr, num_devices) for branch in parameters["branches"]]
        return max(branches, key=lambda cost: cost.flops)
    inner = list(inner_jaxprs(parameters))
    if inner and not name.startswith(("scatter", "reduce")):
        length = parameters["length"] if name == "scan" else 1
        return sum((jaxpr_cost(jaxpr, num_devices) for jaxpr in inner), Cost()).times(float(length))
    num_results = sum(size_of(variable) for variable in equation.outvars)
    if name == "dot_general":
        (contracted, _), _ = parameters["dimension_numbers"]
        length = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
        cost = Cost(
            2.0 * num_results * length, 4.0 * (num_results + sum(size_of(factor) for factor in equation.invars))
        )
    elif name == "gather":
        cost = Cost(0.0, 2 * 4.0 * num_results)
    elif name.startswith("scatter"):
        cost = Cost(float(size_of(equation.invars[2])), 3 * 4.0 * size_of(equation.invars[2]))
    else:
        cost = Cost(float(num_results), 0.0)
    return cost.times(1 / num_devices)


def inner_jaxprs(parameters: dict[str, Any]) -> Iterator[Any]:
    """Yields the programs among the parameters of an equation."""
    for value in parameters.values():
        for item in value if isinstance(value, tuple | list) else [value]:
            if isinstance(item, ClosedJaxpr):
                yield item.jaxpr
            elif isinstance(item, Jaxpr):
                yield item


def size_of(variable: Any) -> int:
    """Returns the number of elements of an array."""
    return math.prod(getattr(variable.aval, "shape", ()))


@dataclasses.dataclass(frozen=True)
class Collective:
    """An exchange of arrays between devices in a compiled program.

    times: how often in a step. bytes: of the arrays, each time. devices: in the group that exchanges them.
    """

    kind: str
    shape: str
    times: int
    bytes: int
    devices: int

    @property
    def bytes_sent(self) -> float:
        """Bytes that each device sends at least, each time."""
        if self.kind == "collective-permute":
            return float(self.bytes)
        # All-reduce is a reduce-scatter and an all-gather.
        return self.bytes * (2 if self.kind == "all-reduce" else 1) * (self.devices - 1) / self.devices


def parse_collectives(text: str) -> list[Collective]:
    """Finds the collectives of a compiled program in XLA's text of it, also inside loops."""
    computations, entry = split_computations(text)
    found: dict[Any, Collective] = {}

    def walk(name: str, times: int) -> None:
        for line in computations[name]:
            operation = re.match(rf"\s*(?:ROOT )?%?[\w.\-]+ = (.*?) ({'|'.join(COLLECTIVES)})(-start)?\(", line)
            if operation:
                devices = group_size(line)
                size = bytes_exchanged(operation[2], bool(operation[3]), bytes_of(operation[1]), devices)
                kind = "reduce-scatter" if name.startswith("all-reduce-scatter") else operation[2]
                # A collective that is split to overlap with other work is in the text once for each part.
                chain = re.search(r'channel_id=(\d+).*chain_id="(\d+)"', line)
                key = chain.groups() if chain else len(found)
                found[key] = Collective(kind, operation[1], times, size, devices)
            trips = re.search(r'known_trip_count":\{"n":"(\d+)"', line)
            for inner in re.findall(r"(?:calls|to_apply|body|called_computations)=\{?%?([\w.\-]+)", line):
                walk(inner, times * (int(trips[1]) if trips else 1))

    walk(entry, 1)
    return list(found.values())


def split_computations(text: str) -> tuple[dict[str, list[str]], str]:
    """Returns the lines of each computation in XLA's text by its name, and the name of the entry computation."""
    computations: dict[str, list[str]] = defaultdict(list)
    name = entry = ""
    for line in text.splitlines():
        if head := re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            name = head[2]
            entry = name if head[1] else entry
        elif name:
            computations[name].append(line)
    return computations, entry


def group_size(line: str) -> int:
    """Returns how many devices take part in a collective together; 1 if the text has no groups."""
    if listed := re.search(r"replica_groups=\{\{([\d,]+)\}", line):
        return listed[1].count(",") + 1
    if counted := re.search(r"replica_groups=\[\d+,(\d+)\]", line):
        return int(counted[1])
    if named := re.search(r"replica_groups=mesh\[(.*?)\] \{(.*?)\}", line):
        lengths = dict(re.findall(r"'(\w+)'=(\d+)", named[1]))
        return math.prod(int(lengths[axis]) for axis in re.findall(r"'(\w+)'", named[2]))
    return 1


def bytes_exchanged(kind: str, is_start: bool, num_bytes: int, num_devices: int) -> int:
    """Returns the bytes of the larger of a collective's operands and results, from the `num_bytes` in the text.

    The text has the results; for the start of an asynchronous collective it also has the operands, except all-reduce.
    """
    if kind == "reduce-scatter" and not is_start:
        return num_bytes * num_devices
    if not is_start or kind == "all-reduce":
        return num_bytes
    if kind in ("all-gather", "reduce-scatter"):
        return num_bytes * num_devices // (num_devices + 1)
    return num_bytes // 2


def bytes_of(shape: str) -> int:
    """Returns the bytes of all arrays of a shape such as (f32[8,4]{1,0}, u32[])."""
    total = 0
    for kind, axes in re.findall(r"\b([a-z]+\d*)\[([\d,]*)\]", shape):
        total += BYTES.get(kind, 4) * math.prod(int(length) for length in axes.split(",") if length)
    return total
