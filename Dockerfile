# docker build -t ivid .                            for a CPU
# docker build -t ivid --build-arg DEVICE=cuda .    for NVIDIA GPUs (docker run --gpus all)
# docs/container.md says how it is run.
FROM python:3.11-slim-bookworm AS build
ARG DEVICE=cpu
WORKDIR /src
COPY . .
RUN docker/install.sh program /opt/ivid "$DEVICE"

FROM python:3.11-slim-bookworm
COPY packages.txt /src/
COPY docker /src/docker
RUN /src/docker/install.sh system \
    && useradd --create-home --uid 1000 ivid \
    && mkdir -p /data/models /data/scenes \
    && chown -R ivid /data
COPY --from=build /opt/ivid /opt/ivid

# Fetched models and computed files in /data/models, scenes of the command line in /data/scenes.
ENV PATH=/opt/ivid/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PORT=7860 \
    IVID_CACHE=/data/models \
    HF_HOME=/data/models/huggingface \
    WARP_CACHE_PATH=/data/models/warp
USER 1000
VOLUME /data
WORKDIR /data/scenes
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "/src/docker/healthcheck.py"]
ENTRYPOINT ["ivid"]
CMD ["app", "--host", "0.0.0.0"]
