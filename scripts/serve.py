"""Serves a trained run over HTTP: lists for known users and new ones, ratings as they come, and a page to try it.

    python scripts/serve.py --workdir=runs/default
    curl http://127.0.0.1:8000/v1/users/42/recommendations?k=5

It needs the extra `serve`: pip install -e '.[serve]'. Everything that can be asked is at /openapi.json, the page at /.
Ratings that are recorded stay in the workdir, in ratings_log.sqlite; `train.py --extra_ratings` learns from them. A
workdir that is trained anew is taken in, once that is finished, while the service runs. Ctrl-C and SIGTERM end it once
requests under way are answered. It starts in about 15 seconds on 2 cores, most of which is compilation, and in 6 when
it starts again.
"""

from absl import flags

from movierec_jax import cli
from movierec_jax.config import DEFAULT_WORKDIR, DeviceConfig
from movierec_jax.packages import import_extra
from movierec_jax.serve.config import ServeConfig

WORKDIR = flags.DEFINE_string("workdir", DEFAULT_WORKDIR, "folder that scripts/train.py has written")


def main() -> None:
    config = cli.section_from_flags(ServeConfig())
    for library in ("fastapi", "uvicorn", "limits", "orjson", "prometheus_client", "rapidfuzz"):
        import_extra(library, "serve")

    from movierec_jax.serve.server import serve

    serve(WORKDIR.value, config, cli.section_from_flags(DeviceConfig()).mesh)


if __name__ == "__main__":
    cli.run(main, [ServeConfig, DeviceConfig], __doc__)
