// An MCP server on stdio with one tool, `reverse`, which writes words backwards.
import { createInterface } from "node:readline";

const tool = {
  name: "reverse",
  description: "Writes words backwards",
  inputSchema: { type: "object", properties: { words: { type: "string" } }, required: ["words"] },
};
const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "words", version: "1.0.0" },
  }),
  ping: () => ({}),
  "tools/list": () => ({ tools: [tool] }),
  "tools/call": ({ name, arguments: { words } }) => ({
    isError: name !== tool.name,
    content: [{ type: "text", text: `${process.env.MARK}${[...words].toReversed().join("")}` }],
  }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const answer = answers[method];
  const said = answer ? { result: answer(params) } : { error: { code: -32601, message: `no ${method} here` } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...said })}\n`);
}
