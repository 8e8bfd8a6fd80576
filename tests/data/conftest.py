"""Object storage for tests."""

import logging

import fsspec
import pytest


@pytest.fixture
def s3(monkeypatch):
    """A bucket of an emulated S3, as all processes see it."""
    pytest.importorskip("s3fs", reason="needs pip install -e '.[s3]'")
    server = pytest.importorskip("moto.server", reason="needs pip install -e '.[emulator]'").ThreadedMotoServer(port=0)
    # A line for each request would take longer than the request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    secrets = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in (secrets | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}).items():
        monkeypatch.setenv(name, value)
    filesystem = fsspec.filesystem("s3", skip_instance_cache=True)
    filesystem.mkdir("bucket")
    yield filesystem
    # What it holds would outlive it, and so would what this process knows of its address.
    filesystem.invalidate_cache()
    filesystem.rm("bucket", recursive=True)
    filesystem.clear_instance_cache()
    server.stop()
