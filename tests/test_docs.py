"""README and documentation name only files, links and flags that exist."""

import dataclasses
import pathlib
import re

import pytest

import movierec_jax
from movierec_jax import config
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.runs.config import LogConfig, ProcessConfig, TuneConfig
from movierec_jax.serve.config import ServeConfig

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
SECTIONS = [
    config.DataConfig,
    config.ModelConfig,
    config.TrainConfig,
    config.EvalConfig,
    config.ScoreConfig,
    config.DeviceConfig,
    BenchmarkConfig,
    LogConfig,
    ProcessConfig,
    SentimentConfig,
    ServeConfig,
    TuneConfig,
]
# Flags of other programs: absl, ruff, MkDocs, pip, uv, gcloud, SLURM, XLA, Caddy, Docker, systemd, a client generator,
# a maker of lists of packages, and the loader of an export.
FLAGS_OF_OTHERS = {
    *("help", "helpfull", "check", "strict", "zone", "worker", "command", "nodes", "ntasks-per-node", "gpus-per-node"),
    *("config", "no-deps", "build-arg", "gpus", "now"),
    *("extra", "universal", "python-version", "generate-hashes", "no-emit-index-url", "no-annotate", "upgrade"),
    *("output-file", "output-reproducible"),
    *("xla_force_host_platform_device_count", "rating", "k", "from", "to", "path"),
}


def page_name(path):
    return str(path.relative_to(ROOT))


def flags_of_commands():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "movierec_jax" / "commands").glob("*.py")]
    return {name for source in sources for name in re.findall(r'flags\.DEFINE_\w+\(\s*"(\w+)"', source)}


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_every_flag_on_a_page_exists(path):
    ours = {field.name for section in SECTIONS for field in dataclasses.fields(section)} | flags_of_commands()
    named = set(re.findall(r"--([a-z][\w-]*)", path.read_text(encoding="utf-8")))
    assert sorted(named - ours - FLAGS_OF_OTHERS) == []


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_every_link_to_a_file_leads_somewhere(path):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_every_file_of_ours_on_a_page_exists(path):
    named = re.findall(r"\b((?:movierec_jax|scripts|tests|notebooks)/[\w/.]*\w)", path.read_text(encoding="utf-8"))
    assert [name for name in named if name != "tests/STAGE" and not (ROOT / name).exists()] == []


def test_modules_named_by_their_place_in_the_package_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = "data|features|model|training|runs|recommend|evaluation|serve|benchmark|commands"
    named = re.findall(rf"`((?:{folders})/[\w/.]*)`", text)
    assert named
    assert [name for name in named if not (ROOT / "movierec_jax" / name).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_every_method_of_a_recommender_on_a_page_exists(path):
    named = set(re.findall(r"\brecommender\.(\w+)\(", path.read_text(encoding="utf-8")))
    assert [name for name in named if not hasattr(movierec_jax.Recommender, name)] == []


def test_the_readme_is_a_tour_of_at_most_150_lines():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_page_of_the_documentation_is_in_its_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    pages = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in navigation] == []
