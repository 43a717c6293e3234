# docker build --tag eventwire .                                     torch for the CPU
# docker build --tag eventwire --build-arg TORCH_BACKEND=cu128 .     torch for NVIDIA GPUs
#
# One image for every command: worker, sink, topics, replay … The model is inside. It runs as a user
# without a name or a home, on a read-only root file system with a /tmp (deploy/compose.yaml).
FROM python:3.12-slim-bookworm AS build
ARG TORCH_BACKEND=cpu
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1
WORKDIR /src
COPY constraints.txt pyproject.toml ./
RUN pip install --no-cache-dir --constraint constraints.txt uv && python -m venv --without-pip /opt/eventwire
COPY deploy/install-dependencies.sh deploy/
RUN sh deploy/install-dependencies.sh /opt/eventwire/bin/python --extra sink --extra replay
COPY LICENSE README.md ./
COPY models models
COPY streams streams
RUN uv pip install --python /opt/eventwire/bin/python --no-deps .

FROM python:3.12-slim-bookworm
COPY --from=build /opt/eventwire /opt/eventwire
# A volume that is mounted here belongs to the user below: the manifests of replays.
RUN install --directory --owner=10001 --group=10001 /var/lib/eventwire
# Nothing is written next to the code; what libraries keep between calls goes to /tmp.
ENV PATH=/opt/eventwire/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
WORKDIR /tmp
# SIGTERM ends every command in order, so that docker need not send another signal.
ENTRYPOINT ["eventwire"]
CMD ["worker"]
