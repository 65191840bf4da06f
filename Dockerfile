# One image for operator, worker and CLI: Node and our bundles, no shell, no package manager.
# BASE must hold Node 24 or newer, BUILD also npm, unless node_modules are mounted at /src/node_modules. Both of one Debian.
# ROCKSDB=0 leaves out the addon for state.backend RocksDB (13 MB).
ARG BASE=gcr.io/distroless/nodejs24-debian12:nonroot@sha256:14d42e2511532589a7c7e01a753667a74fcc96266e137e8125006b87b0c32d0a
ARG BUILD=node:24-bookworm-slim

FROM ${BUILD} AS build
WORKDIR /src
# RUN in exec form: scripts/image/build.sh builds this on a base without a shell.
COPY package.json package-lock.json .npmrc ./
COPY scripts/image/install.ts scripts/image/
RUN ["node", "scripts/image/install.ts"]
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
RUN ["node", "scripts/bundle.ts", "/out"]
ARG ROCKSDB=1
RUN ["node", "scripts/image/rocksdb.ts", "/out"]

FROM ${BASE}
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Weir" \
  org.opencontainers.image.description="A Kubernetes operator for streaming jobs: operator, worker and CLI" \
  org.opencontainers.image.source="https://github.com/weir-dev/weir" \
  org.opencontainers.image.documentation="https://github.com/weir-dev/weir/tree/main/docs" \
  org.opencontainers.image.vendor="The Weir authors" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}"
COPY --from=build /out /app
# Distroless keeps its Node in /nodejs/bin, other bases in one of the usual folders.
ENV PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin NODE_ENV=production
# By number: with a name Kubernetes could not check runAsNonRoot.
USER 65532:65532
WORKDIR /app
ENTRYPOINT ["node", "/app/weir.mjs"]
CMD ["--version"]
