"""Serves a trained run over HTTP: lists for known and new users, ratings as they come, and a web page.

    movierec serve --workdir=runs/default
    curl http://127.0.0.1:8000/v1/users/42/recommendations?k=5

Starts in about 15 seconds on 2 cores, most of them compilation, and in 6 the next time. Needs the extra serve.
/openapi.json describes all requests; the page is at /. New ratings are kept in ratings_log.sqlite of the workdir, and
`movierec train --extra_ratings` learns from them. When the workdir is trained anew, the service loads the new run once
it is finished. Ctrl-C and SIGTERM let requests under way finish, a second one ends at once; SIGHUP reads tokens again.
"""

from absl import flags

from movierec_jax import cli
from movierec_jax.config import DEFAULT_WORKDIR, DeviceConfig
from movierec_jax.packages import import_extra
from movierec_jax.serve.config import ServeConfig

WORKDIR = flags.DEFINE_string("workdir", DEFAULT_WORKDIR, "folder of a trained run")


def main() -> None:
    config = cli.section_from_flags(ServeConfig())
    for library in ("fastapi", "uvicorn", "limits", "orjson", "prometheus_client", "rapidfuzz"):
        import_extra(library, "serve")

    from movierec_jax.serve.server import serve

    serve(WORKDIR.value, config, cli.section_from_flags(DeviceConfig()).mesh)


def run() -> None:
    cli.run(main, [ServeConfig, DeviceConfig], __doc__)
