# One image for operator, worker and CLI. BASE must hold Node 24; the default is distroless.
ARG BASE=gcr.io/distroless/nodejs24-debian12:nonroot
ARG BUILD=node:24-slim

FROM ${BUILD} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
COPY crds ./crds
RUN node scripts/bundle.ts /out

FROM ${BASE}
COPY --from=build /out /app
# Distroless keeps its Node in /nodejs/bin, other bases in one of the usual folders.
ENV PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin
USER 65532:65532
WORKDIR /app
ENTRYPOINT ["node", "/app/weir.mjs"]
CMD ["--version"]
