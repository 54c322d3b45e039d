import { createConfig, lintFromString } from "@redocly/openapi-core";
import { api, errorCatalogue, listErrors, runnerApi, type ServerEndpoint, workspaceApi } from "@wharf/contract";
import { expect, test } from "vitest";
import { z } from "zod";
import { createOpenApiDocument } from "./openapi-document.ts";

const document = createOpenApiDocument();
const text = JSON.stringify(document);
const Operation = z.looseObject({ operationId: z.string(), responses: z.record(z.string(), z.unknown()) });
const { paths, components } = z
  .object({
    paths: z.record(z.string(), z.record(z.string(), Operation)),
    components: z.object({
      schemas: z.record(z.string(), z.unknown()),
      responses: z.record(z.string(), z.unknown()),
      parameters: z.record(z.string(), z.unknown()),
    }),
  })
  .parse(document);

test("the linter has no findings in the OpenAPI document", { timeout: 120_000 }, async () => {
  const config = await createConfig({ extends: ["recommended-strict"] });
  const findings = await lintFromString({ source: text, absoluteRef: "openapi.json", config });
  expect(
    findings.map(({ ruleId, message, location }) => `${ruleId}: ${message} (${location[0]?.pointer ?? ""})`),
  ).toEqual([]);
});

test("the OpenAPI document lists the status of each error that an operation can answer", () => {
  for (const [name, route] of Object.entries<ServerEndpoint>({ ...api, ...runnerApi, ...workspaceApi })) {
    const operation = Object.values(paths)
      .flatMap((path) => Object.values(path))
      .find(({ operationId }) => operationId === name);
    const statuses = listErrors(route).map((code) => String(errorCatalogue[code].http));
    expect(Object.keys(operation?.responses ?? {})).toEqual(expect.arrayContaining(statuses));
  }
});

test("the OpenAPI document has an operation for each route of the server", () => {
  const operations = Object.values(paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId));
  expect(operations.toSorted()).toEqual(Object.keys({ ...api, ...runnerApi, ...workspaceApi }).toSorted());
});

test("each reference in the OpenAPI document leads to a component", () => {
  const references = [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, target]) => target);
  const targets = new Set([
    ...Object.keys(components.schemas).map((name) => `#/components/schemas/${name}`),
    ...Object.keys(components.parameters).map((name) => `#/components/parameters/${name}`),
    ...Object.keys(components.responses).map((name) => `#/components/responses/${name}`),
  ]);
  expect(references.length).toBeGreaterThan(100);
  expect(references.filter((target) => target === undefined || !targets.has(target))).toEqual([]);
});
