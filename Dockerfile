# One image for every role: `docker run … plinth api`, `projector`, `relay`, `scheduler`, or any other verb.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The optional ones are a PostgreSQL and a Node: both are elsewhere here.
RUN npm ci --omit=dev --omit=optional

FROM node:24-slim
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY schemas ./schemas
COPY commands ./commands
COPY projections ./projections
COPY api ./api
COPY workers ./workers
COPY infra ./infra
COPY clients ./clients
COPY bin ./bin
ENV NODE_ENV=production PLINTH_HOST=0.0.0.0 PLINTH_PORT=7400 PLINTH_DATA_DIR=/data
# Holds the admin key, and the secrets where the environment has none.
RUN ln -s /app/bin/plinth /usr/local/bin/plinth && install --directory --owner=node --group=node --mode=0755 /data
VOLUME /data
USER node
EXPOSE 7400
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "infra/deploy/health-check.ts"]
ENTRYPOINT ["/app/bin/plinth"]
CMD ["start"]
