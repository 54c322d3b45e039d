import { randomUUID } from "node:crypto";
import { toWharfError, WharfError } from "@wharf/contract";
import type { FastifyError, FastifyInstance } from "fastify";
import { isDatabaseAway, isDatabaseFull } from "../store/index.ts";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";

/** Every error leaves as problem+json from the catalogue, whatever was thrown. */
export function serveErrors(app: FastifyInstance, limits: { bodyBytes: number }): void {
  app.setErrorHandler((thrown: FastifyError, request, reply) => {
    const reference = randomUUID();
    const error =
      fromFastify(thrown, { bodyBytes: request.routeOptions.bodyLimit ?? limits.bodyBytes }) ??
      fromDatabase(thrown) ??
      toWharfError(thrown, reference);
    if (error.code === "internal") request.log.error({ err: thrown, reference }, "a request failed inside Wharf");
    const problem = error.toProblem();
    void reply.status(problem.status).type("application/problem+json").serializer(JSON.stringify).send(problem);
  });
  app.setNotFoundHandler((request) => {
    throw new WharfError("not_found", { what: "route", id: `${request.method} ${request.url.split("?")[0]}` });
  });
}

/** A statement that fails because the database is away or full may be asked for again; one that fails otherwise is a fault of ours. */
function fromDatabase(thrown: unknown): WharfError | undefined {
  if (isDatabaseFull(thrown)) return new WharfError("disk_full", { path: "the database's folder" }, { cause: thrown });
  if (!isDatabaseAway(thrown)) return undefined;
  return new WharfError("database_unavailable", { reason: "it is being started again" }, { cause: thrown });
}

function fromFastify(thrown: FastifyError, limits: { bodyBytes: number }): WharfError | undefined {
  if (hasZodFastifySchemaValidationErrors(thrown)) {
    const issues = thrown.validation.map((issue) => ({
      path: issue.instancePath.replaceAll("/", ".").replace(/^\./, ""),
      message: issue.message ?? "is not valid",
    }));
    return new WharfError("bad_request", { issues });
  }
  if (thrown.code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return new WharfError("body_too_large", { limit_bytes: limits.bodyBytes });
  if (typeof thrown.code !== "string" || !thrown.code.startsWith("FST_") || (thrown.statusCode ?? 500) >= 500)
    return undefined;
  return new WharfError("bad_request", { issues: [{ path: "", message: thrown.message }] });
}
