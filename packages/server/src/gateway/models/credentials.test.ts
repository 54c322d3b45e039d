import { expect, test } from "vitest";
import { hasToken, removeCredentials } from "./credentials.ts";

test.each([
  [{ "x-goog-api-key": "t" }, ""],
  [{ "x-api-key": "t" }, ""],
  [{ authorization: "Bearer t" }, ""],
  [{ authorization: "bearer t" }, ""],
  [{}, "alt=sse&key=t"],
  [{ "x-api-key": "other", authorization: "Bearer t" }, ""],
])("the run's token is found in %j and '%s'", (headers, query) => {
  expect(hasToken(headers, query, "t")).toBe(true);
});

test.each([
  [{}, ""],
  [{ authorization: "t" }, ""],
  [{ authorization: "Basic t" }, ""],
  [{ "x-api-key": "" }, "key="],
  [{ "x-api-key": "T" }, "token=t"],
])("a request with %j and '%s' does not have it", (headers, query) => {
  expect(hasToken(headers, query, "t")).toBe(false);
  expect(hasToken(headers, query, "")).toBe(false);
});

test("the query is unchanged except for credentials", () => {
  expect(removeCredentials("alt=sse&%24x=a%20b+c&key=secret&k%65y=again&access_token=x&Key=y&&flag")).toBe(
    "alt=sse&%24x=a%20b+c&flag",
  );
  expect(removeCredentials("")).toBe("");
});
