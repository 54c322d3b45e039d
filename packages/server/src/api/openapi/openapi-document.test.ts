import { Validator } from "@seriousme/openapi-schema-validator";
import { api, runnerApi, workspaceApi } from "@wharf/contract";
import { expect, test } from "vitest";
import { z } from "zod";
import { createOpenApiDocument } from "./openapi-document.ts";

const document = createOpenApiDocument();
const text = JSON.stringify(document);
const Operation = z.looseObject({ operationId: z.string() });
const { paths, components } = z
  .object({
    paths: z.record(z.string(), z.record(z.string(), Operation)),
    components: z.object({ schemas: z.record(z.string(), z.unknown()), responses: z.record(z.string(), z.unknown()) }),
  })
  .parse(document);

test("the OpenAPI document is valid", async () => {
  const validator = new Validator();
  expect(await validator.validate({ ...document })).toEqual({ valid: true });
  expect(validator.version).toBe("3.1");
});

test("the OpenAPI document has an operation for each route of the server", () => {
  const operations = Object.values(paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId));
  expect(operations.toSorted()).toEqual(Object.keys({ ...api, ...runnerApi, ...workspaceApi }).toSorted());
});

test("each reference in the OpenAPI document leads to a component", () => {
  const references = [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, target]) => target);
  const targets = new Set([
    ...Object.keys(components.schemas).map((name) => `#/components/schemas/${name}`),
    ...Object.keys(components.responses).map((name) => `#/components/responses/${name}`),
  ]);
  expect(references.length).toBeGreaterThan(100);
  expect(references.filter((target) => target === undefined || !targets.has(target))).toEqual([]);
});
