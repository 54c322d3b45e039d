import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { expect, test } from "vitest";
import { eventually } from "../../eventually.ts";
import { type CommandLineHarness, failed } from "../command-line-harness.ts";

/** Agent types, and agents that use what they declare. */
export function testAgentTypes({
  folder,
  getExitCode,
  repository,
  run,
  server,
  writeProgram,
}: CommandLineHarness): void {
  test("of agent types, and an agent of two programs gets its prompt, its file and its second program", async () => {
    writeProgram(
      "lines-agent",
      `prompt=$(cat)
[ "$prompt" = fail ] && exit 3
"$(dirname "$0")/helper-program" 2> /dev/null || helper-program
printf '{"type":"result","data":{"prompt":"%s","home":"%s"}}\\n' "$prompt" "$(cat ~/.lines/config)"
`,
    );
    writeProgram("helper-program", "echo helped\n");
    writeFileSync(join(folder, "home-file"), "from-home");
    const options = ["--protocol", "json-lines", "--program", "helper-program"];
    const added = await run("agent-types add", [
      "mine",
      ...options,
      "--home-file",
      `.lines/config=${join(folder, "home-file")}`,
      "lines-agent",
    ]);
    expect(added).toMatchObject({ code: 0, out: expect.stringMatching(/^mine +yes/m) });
    const again = await run("agent-types add", ["mine", "lines-agent"]);
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining("wharf agent-types set mine") });
    for (const script of ["./bin/lines-agent", join(folder, "bin/lines-agent")])
      expect(await getExitCode("agent-types add", ["script", script])).toEqual(failed);
    expect((await run("agent-types", ["--json"])).out).not.toContain('"script"');
    const type = await server.client.call(api.getAgentType, { params: { type_id: "mine" } });
    expect(await getExitCode("agent-types set", ["mine", "--description", "two programs"])).toBe(0);
    const { updated_at, ...changed } = await server.client.call(api.getAgentType, { params: { type_id: "mine" } });
    const version = type.version + 1;
    expect({ ...changed, updated_at }).toEqual({ ...type, description: "two programs", version, updated_at });

    const task = await server.createTask({ repository_url: repository, agent_type: "mine" });
    const events = await server.turn(task, "read it");
    const reports = events.flatMap(({ data }) => (data.kind === "report" ? [data] : []));
    expect(reports).toMatchObject([{ prompt: "read it", home: "from-home" }]);
    expect(JSON.stringify(events)).toContain("helped");
    const line = ["fail", "--repo", repository, "--agent", "mine", "--policy", "allow-all", "--json"];
    expect((await run("run", line)).code).toBe(1);
    expect(await getExitCode("agent-types rm", ["gemini"])).toEqual(failed);
    for (const { id } of (await server.client.call(api.listTasks, { query: {} })).tasks)
      await server.client.call(api.deleteTask, { params: { task_id: id } });
    await eventually(() => getExitCode("agent-types rm", ["mine"]), 0);
    expect(await getExitCode("agent-types rm", ["mine"])).toEqual(failed);
  });

  test("of an agent with MCP servers that are read from a file", async () => {
    const words = { command: "words", args: ["--all"] };
    const docs = { url: "http://127.0.0.1:9", headers: { Accept: "x" } };
    const mcpServers = { words: { type: "stdio", ...words }, docs: { type: "http", ...docs } };
    const add = (text: string, ...options: string[]) =>
      run("agent-types add", ["with-mcp", "--mcp-servers", "-", ...options, "sh"], text);
    expect(await add(JSON.stringify({ mcpServers }))).toMatchObject({ code: 0 });
    const type = await server.client.call(api.getAgentType, { params: { type_id: "with-mcp" } });
    expect(type.mcp_servers).toEqual([
      { name: "words", ...words, env: {} },
      { name: "docs", ...docs },
    ]);
    const file = join(folder, "none.json");
    writeFileSync(file, JSON.stringify({ mcpServers: {} }));
    expect(await getExitCode("agent-types set", ["with-mcp", "--mcp-servers", file])).toBe(0);
    expect((await server.client.call(api.getAgentType, { params: { type_id: "with-mcp" } })).mcp_servers).toEqual([]);
    for (const [text, words] of [
      ["{", "expected JSON"],
      ["{}", "mcpServers"],
      [JSON.stringify({ mcpServers: { sse: { type: "sse", url: "http://x" } } }), "stdio or http"],
      [JSON.stringify({ mcpServers: { here: { command: "./x" } } }), "of 'here'"],
    ] as const)
      expect(await add(text)).toMatchObject({
        code: 2,
        err: expect.stringMatching(new RegExp(`--mcp-servers.*${words}`)),
      });
    expect(await add(JSON.stringify({ mcpServers }), "--protocol", "text")).toMatchObject({
      code: 2,
      err: expect.stringContaining("only agents that speak acp support MCP servers"),
    });
    expect(await getExitCode("agent-types rm", ["with-mcp"])).toBe(0);
  });

  test("of a test of an agent, with its steps as lines or as JSON", async () => {
    expect(await run("agent-types test", ["demo", "--prompt", "demo: say here"])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/✓ starts the agent .*\n[\s\S]*answer +here\n[\s\S]*✓ The agent works/),
    });
    const failing = ["demo", "--file", "-", "--timeout", "60", "--json"];
    const failed = await run("agent-types test", failing, "demo: fail no reason");
    expect(failed).toMatchObject({ code: 1, out: expect.stringContaining('"ok":false') });
    expect(await getExitCode("agent-types test", ["nowhere"])).toMatchObject({ code: 2 });
  });

  test("of an agent without a login, which is refused and leaves no task", async () => {
    writeProgram("auggie", "");
    const ids = async () => (await server.client.call(api.listTasks, { query: {} })).tasks.map(({ id }) => id);
    const before = await ids();
    const refused = await run("run", ["x", "--repo", repository, "--agent", "auggie"]);
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining("it needs a login: set one with") });
    expect(await ids()).toEqual(before);
  });
}
