# docker build -t isolde .
# docker run --rm -v "$PWD:/music" isolde separate song.mp3 -o stems
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY docs/isolde.1 docs/isolde.1
COPY src src
RUN python -m venv /opt/isolde && \
    /opt/isolde/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim
COPY --from=build /opt/isolde /opt/isolde
RUN useradd --create-home listener
USER listener
WORKDIR /music
ENTRYPOINT ["/opt/isolde/bin/isolde"]
CMD ["--help"]
