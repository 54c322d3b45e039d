import { RemoteError, WharfError } from "@wharf/contract";
import { expect, test } from "vitest";
import { CircuitOpenError, getErrorClass, isTransient } from "./error-class.ts";

const remote = (status: number, code = "internal") =>
  new RemoteError({ type: "t", title: "t", status, detail: "d", code, next: "n" });
const runner_id = "runner-1";

// S-036, S-037
test.each([
  ["TIMEOUT", true, new WharfError("runner_timeout", { runner_id, phase: "GET /health", after_s: 30 })],
  ["NETWORK", true, new WharfError("runner_unavailable", { runner_id, reason: "the wire is gone" })],
  ["NETWORK", false, new WharfError("runner_lost", { runner_id, reason: "its folder is missing" })],
  ["CLIENT", false, remote(404, "file_not_found")],
  ["CLIENT", false, remote(429, "rate_limited")],
  ["SERVER", true, remote(500)],
  ["SERVER", true, remote(507, "disk_full")],
  ["SERVER", false, remote(501, "unsupported")],
  ["SERVER", true, new WharfError("backend_failed", { backend: "mock", reason: "r" })],
  ["CIRCUIT_BREAKER_OPEN", false, new CircuitOpenError(runner_id, 60_000)],
  ["UNKNOWN", false, new WharfError("runner_hostile", { runner_id, reason: "r" })],
  ["UNKNOWN", false, new TypeError("x is not a function")],
  ["UNKNOWN", false, "a text"],
])("an error is of class %s, passing: %s", (kind, passing, error) => {
  expect(getErrorClass(error)).toBe(kind);
  expect(isTransient(error)).toBe(passing);
});
