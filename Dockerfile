# CPU:         docker build -t movierec .
# NVIDIA GPUs: docker build --build-arg EXTRAS=serve,plots,cuda -t movierec . && docker run --gpus all movierec train
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir=/wheels .

FROM python:${PYTHON}-slim
ARG EXTRAS=serve,plots
# The libraries of CUDA come with JAX; the driver is the host's.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility PYTHONUNBUFFERED=1
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/*.whl)[${EXTRAS}]"

# A volume mounted at one of these folders starts as the user's own.
RUN useradd --create-home --uid=1000 movierec \
    && install --directory --owner=movierec /work /work/runs /home/movierec/.cache
USER 1000
WORKDIR /work
EXPOSE 8000
HEALTHCHECK --start-period=2m --interval=15s --timeout=5s \
    CMD ["python", "-c", "import urllib.request as request; request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["movierec"]
CMD ["serve", "--host=0.0.0.0"]
