import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { Bench } from "../fixtures/bench.ts";

const shell = execFileSync("/bin/sh", ["-c", "command -v sh"], { encoding: "utf8" }).trim();
const words = { name: "words", command: "sh", args: ["-c", "${WHARF_GATEWAY}"], env: { AT: "${WHARF_GATEWAY}/x" } };
const docs = {
  name: "docs",
  url: "http://127.0.0.1:9/${WHARF_GATEWAY}",
  headers: { Authorization: "${WHARF_GATEWAY}" },
};
const gone = { name: "gone", command: "no-such-program", args: [], env: {} };
const gateway = "http://127.0.0.1:4100";
const wordsInProtocol = {
  name: "words",
  command: shell,
  args: ["-c", gateway],
  env: [{ name: "AT", value: `${gateway}/x` }],
};

test.each(["new", "load", "resume"])(
  "the MCP servers of its type reach an agent whose session is opened by %s",
  async (mode) => {
    await using bench = await Bench.open();
    const earlier = mode === "new" ? {} : { session_id: "s-before" };
    await bench.start(mode, { mcp_servers: [words], ...earlier });
    await bench.runTurn("servers");
    expect(JSON.parse(bench.journal.messageText)).toEqual([wordsInProtocol]);
  },
);

test("servers over HTTP reach an agent that supports them, and unusable servers are left out with a notice", async () => {
  await using bench = await Bench.open();
  await bench.start("http", { mcp_servers: [docs, gone, words] });
  await bench.runTurn("servers");
  const docsInProtocol = {
    type: "http",
    name: "docs",
    url: `http://127.0.0.1:9/${gateway}`,
    headers: [{ name: "Authorization", value: gateway }],
  };
  expect(JSON.parse(bench.journal.messageText)).toEqual([docsInProtocol, wordsInProtocol]);
  await using other = await Bench.open();
  await other.start("plain", { mcp_servers: [docs] });
  await other.runTurn("servers");
  expect(JSON.parse(other.journal.messageText)).toEqual([]);
  const notices = [bench, other].flatMap(({ journal }) => journal.getEvents("notice").map(({ message }) => message));
  expect(notices).toEqual([
    "Wharf leaves out the MCP server 'gone': its program 'no-such-program' is not installed.",
    "The agent does not support MCP servers over HTTP; Wharf leaves out 'docs'.",
  ]);
});
