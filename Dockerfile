# docker build --tag eventwire .                                     torch for the CPU
# docker build --tag eventwire --build-arg TORCH_BACKEND=cu128 .     torch for NVIDIA GPUs
FROM python:3.12-slim AS build
ARG TORCH_BACKEND=cpu
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1
WORKDIR /src
COPY constraints.txt pyproject.toml ./
RUN pip install --no-cache-dir --constraint constraints.txt uv && python -m venv /opt/eventwire
COPY deploy/install-dependencies.sh deploy/
RUN sh deploy/install-dependencies.sh /opt/eventwire/bin/python
COPY LICENSE README.md ./
COPY models models
COPY streams streams
RUN uv pip install --python /opt/eventwire/bin/python --no-deps .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home eventwire
COPY --from=build /opt/eventwire /opt/eventwire
ENV PATH=/opt/eventwire/bin:$PATH PYTHONUNBUFFERED=1
USER eventwire
WORKDIR /home/eventwire
ENTRYPOINT ["eventwire"]
CMD ["worker"]
