import { expect, test } from "vitest";
import { KnownSecrets } from "../../redaction/index.ts";
import { OutputRedactor } from "./output-redactor.ts";

const secret = "AIza-0123456789-abcdef";
const [first, second] = [secret.slice(0, 12), secret.slice(12)];
const [firstStars, secondStars] = [first, second].map((part) => "*".repeat(part.length));

function createRedactor(encoding: "utf8" | "base64" = "utf8") {
  const secrets = new KnownSecrets();
  secrets.register("GEMINI_API_KEY", secret);
  const found: string[] = [];
  const redactor = new OutputRedactor({ secrets, encoding, onMatch: ({ name }) => void found.push(name) });
  return { redactor, found };
}

const toLine = (type: string, data: string) => JSON.stringify({ type, data });
const exit = JSON.stringify({ type: "exit", exit_code: 0, signal: null, timed_out: false });

test("output without a secret passes at once, exactly as it came", () => {
  const { redactor } = createRedactor();
  const lines = [
    `{"type":"stdout", "data":"A\\u0049"}`,
    toLine("stderr", "AIz"),
    `{"type":"gap","from":1,"to":2}`,
    "[1]",
  ];
  expect(lines.flatMap((line) => redactor.add(line))).toEqual(lines);
  expect(redactor.getRemainingWaitMs()).toBeUndefined();
});

test.each(["utf8", "base64"] as const)(
  "a secret that two pieces of output divide is removed from both (%s)",
  (encoding) => {
    const { redactor, found } = createRedactor(encoding);
    const encode = (text: string) => Buffer.from(text).toString(encoding);
    expect(redactor.add(toLine("stdout", encode(`one ${first}`)))).toEqual([]);
    // What is between them belongs to the other pipe, and keeps its place.
    expect(redactor.add(toLine("stderr", encode("between")))).toEqual([]);
    expect(redactor.add(toLine("stdout", encode(`${second} two`)))).toEqual([
      toLine("stdout", encode(`one ${firstStars}`)),
      toLine("stderr", encode("between")),
      toLine("stdout", encode(`${secondStars} two`)),
    ]);
    expect(found).toEqual(["GEMINI_API_KEY"]);
  },
);

test("a piece that begins like a secret is shown when it turns out to be none", () => {
  const { redactor } = createRedactor();
  expect(redactor.add(toLine("stdout", first))).toEqual([]);
  const other = toLine("stdout", "other");
  expect(redactor.add(other)).toEqual([toLine("stdout", first), other]);
});

test("a piece that waited for long is passed on without its letters, and the rest is removed later", () => {
  const { redactor } = createRedactor();
  redactor.add(toLine("stdout", first));
  expect(redactor.getRemainingWaitMs()).toBeGreaterThan(0);
  expect(redactor.release()).toEqual([toLine("stdout", firstStars!)]);
  expect(redactor.add(toLine("stdout", second))).toEqual([toLine("stdout", secondStars!)]);
});

test("nothing waits after the command's exit, nor after the end of the answer", () => {
  const { redactor } = createRedactor();
  redactor.add(toLine("stdout", first));
  expect(redactor.add(exit)).toEqual([toLine("stdout", first), exit]);
  redactor.add(toLine("stderr", first));
  expect(redactor.end()).toEqual([toLine("stderr", first)]);
});

test("a runner cannot make the server keep much", () => {
  const { redactor } = createRedactor();
  redactor.add(toLine("stdout", first));
  const long = toLine("stderr", "x".repeat(1024 * 1024));
  const passed = [1, 2, 3, 4, 5].map(() => redactor.add(long).length);
  expect(passed).toEqual([0, 0, 0, 5, 1]);
  redactor.add(toLine("stdout", "\n"));
  redactor.add(toLine("stdout", first));
  const counts = Array.from({ length: 201 }, () => redactor.add(toLine("stderr", "")).length);
  expect(counts.findIndex((count) => count > 0)).toBe(199);
});
