"""The web page, and a page that shows the API. Both load files from this server only."""

import importlib.util
import pathlib

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse, Response

from movierec_jax.packages import install_command
from movierec_jax.serve.errors import Problem
from movierec_jax.serve.guards import CONTENT_POLICY

PAGE = pathlib.Path(__file__).parents[1] / "page"

API_PAGE = pathlib.Path(__file__).parents[1] / "api_page"

# The package that comes with Swagger UI, and the files of it that the page of the API loads.
SWAGGER_PACKAGE = "fastapi_offline"

SWAGGER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")

# The style sheet of Swagger UI has icons in itself.
API_PAGE_POLICY = f"{CONTENT_POLICY}; img-src 'self' data:"


def add_pages(app: FastAPI, *, has_docs: bool) -> None:
    """Adds the page and its files, and if wanted those of the page that shows the API."""
    if PAGE.is_dir():
        app.mount("/page", StaticFiles(directory=PAGE), name="page")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")

    if has_docs:
        add_api_page(app)


def add_api_page(app: FastAPI) -> None:
    """Adds the page that shows the API, and its files."""
    swagger = swagger_folder()

    @app.get("/docs", include_in_schema=False)
    async def api_page() -> Response:
        if swagger is None:
            raise Problem("unknown-path", f"This page needs Swagger UI: {install_command('serve')}")
        return FileResponse(API_PAGE / "index.html", headers={"content-security-policy": API_PAGE_POLICY})

    @app.get("/docs/start.js", include_in_schema=False)
    async def api_page_script() -> Response:
        return FileResponse(API_PAGE / "start.js")

    if swagger is not None:
        for name in SWAGGER_FILES:
            app.get(f"/docs/{name}", include_in_schema=False)(file_route(swagger / name))


def swagger_folder() -> pathlib.Path | None:
    """Returns the folder with the files of Swagger UI, None where the package is not installed."""
    found = importlib.util.find_spec(SWAGGER_PACKAGE)
    folder = pathlib.Path(found.origin).parent / "static" if found and found.origin else None
    return folder if folder and all((folder / name).is_file() for name in SWAGGER_FILES) else None


def file_route(path: pathlib.Path):
    """Returns a route that answers with a file."""

    async def answer() -> Response:
        return FileResponse(path)

    return answer
