"""Serves a trained run over HTTP: recommendations for known and new users, ratings as they come, and a web page.

    python scripts/serve.py --workdir=runs/default
    curl http://127.0.0.1:8000/v1/users/42/recommendations?k=5

Needs the extra `serve`: pip install -e '.[serve]'. The page is at /, the description of the API at /openapi.json.
Recorded ratings are stored in the workdir, in ratings_log.sqlite; `train.py --extra_ratings` trains on them. When the
workdir is trained again, the service loads the new run once it is finished. Ctrl-C and SIGTERM stop it after open
requests. It starts in about 15 seconds on 2 cores, mostly compilation, and in 6 when started again.
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
