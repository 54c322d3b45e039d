import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { samples } from "./fixtures/samples.ts";
import { type ErrorCode, type ErrorContexts, errorCatalogue, WharfError } from "./index.ts";

function formatEntry<Code extends ErrorCode>(code: Code): string {
  const contexts: readonly ErrorContexts[Code][] = samples[code];
  const { http, grpc } = errorCatalogue[code];
  const sentences = contexts.map((context) => {
    const { message, next } = new WharfError(code, context);
    return `> ${message}\\\n> → ${next}`;
  });
  return [`## ${code}`, `HTTP ${http}, gRPC ${grpc}`, ...new Set(sentences)].join("\n\n");
}

test("every error says what happened and what to do, as docs/errors.md shows", async () => {
  const codes = Object.keys(samples) as ErrorCode[];
  const text = [
    "# All errors",
    "Every error that Wharf reports, with sample values. The line after the arrow is the next step. A test of `packages/contract` writes this page.",
    ...codes.map(formatEntry),
  ].join("\n\n");
  await expect(`${text}\n`).toMatchFileSnapshot("../../../../docs/errors.md");
});

test("every sentence of every error is a complete sentence without a gap", () => {
  for (const code of Object.keys(samples) as ErrorCode[])
    for (const context of samples[code]) {
      const { message, next } = new WharfError(code, context);
      expect(`${code}: ${message} ${next}`).not.toMatch(/undefined|\[object|NaN/);
      expect(next, code).toMatch(/^[A-Z`0-9].*[^\s]$/);
    }
});

test("every code is used outside the catalogue", () => {
  const packages = join(import.meta.dirname, "../../..");
  const paths = globSync("*/src/**/*.ts", { cwd: packages }).filter(
    (path) => !/^contract.src.errors|\.test\.ts$/.test(path),
  );
  const source = paths.map((path) => readFileSync(join(packages, path), "utf8")).join("\n");
  expect(Object.keys(samples).filter((code) => !source.includes(`"${code}"`))).toEqual([]);
});
