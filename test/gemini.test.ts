import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { geminiBin } from "../scripts/engines/gemini.ts";
import { withEngine } from "./support/engine.ts";
import { type ModelServer, startGemini } from "./support/models/index.ts";
import { git, makeRepository } from "./support/repository.ts";
import { isPushed, scratchFolder, spoken, Wharf } from "./support/wharf.ts";

const realKey = "AIzaRealKeyThatNobodyInsideMayEverSee0123";
/** What the agent's own shell looks for: the key in every process and every file it can read. */
const search = `(cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; env; grep -rsh "AIzaReal" /workspace /home /tmp /run /etc /var /opt 2>/dev/null) | grep -c "AIzaReal[K]ey"; echo searched`;

let folder: string;
let wharf: Wharf;
let model: ModelServer;

beforeAll(async () => {
  folder = scratchFolder();
  model = await startGemini({
    key: realKey,
    script: ({ toolResults = [], prompt = "" }) => {
      if (toolResults.some((result) => result.includes("searched")))
        return { text: "All done: the file is written and the search is over." };
      if (toolResults.length > 0)
        return {
          text: "Now the search.",
          toolCalls: [{ name: "run_shell_command", args: { command: search, description: "look for keys" } }],
        };
      if (!prompt.includes("hello")) return { text: "Nothing to do." };
      return {
        text: "I will write the file.",
        toolCalls: [
          { name: "write_file", args: { file_path: "/workspace/hello.txt", content: "hello from gemini\n" } },
        ],
      };
    },
  });
  wharf = new Wharf(folder, {
    PATH: `${geminiBin}:${process.env["PATH"]}`,
    GEMINI_API_KEY: realKey,
    GEMINI_BASE_URL: model.url,
  });
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("the real Gemini CLI", () => {
  // G-016: a full turn through the gateway, and the key stays outside
  withEngine("gemini").it(
    "writes a file, runs a command and answers, and the real key is nowhere inside its sandbox",
    { timeout: 180_000 },
    async () => {
      const remote = makeRepository(join(folder, "remote"));
      const task = await wharf.createTask({ repository_url: remote, agent_type: "gemini" });
      await wharf.prompt(task, "Write hello.txt that says hello, then run the search.");
      const events = await wharf.until(task.id, isPushed, 60_000);

      expect(spoken(events)).toContain("All done");
      expect(git(remote, "show", `${task.shadow_branch}:hello.txt`)).toBe("hello from gemini");
      const kinds = new Set(
        events.flatMap(({ data }) => (data.kind === "tool_call" && data.tool_kind ? [data.tool_kind] : [])),
      );
      expect(kinds).toContain("edit");
      expect(kinds).toContain("execute");

      // Inside: what the agent's own shell found.
      const results = model.requests.flatMap((request) => request.toolResults ?? []);
      const found = results.find((result) => result.includes("searched"));
      expect(found).toMatch(/(^|\D)0\s*\\?n?\s*searched/);
      // Outside: every file of the runner, and the environment and command line of each of its processes.
      const [runner] = wharf.runnerIds();
      expect(filesWith(join(wharf.data, "runners", runner!))).toEqual([]);
      expect(processesWith(runner!)).toEqual([]);
      // The key did reach the model's server, and nothing but it did.
      expect(model.requests.every((request) => request.headers["x-goog-api-key"] === realKey)).toBe(true);
      const usage = events.filter(({ data }) => data.kind === "usage" && data.source === "gateway");
      expect(usage.length).toBeGreaterThanOrEqual(3);
    },
  );
});

function filesWith(runnerFolder: string): string[] {
  try {
    return execFileSync("grep", ["--recursive", "--files-with-matches", "--binary-files=text", realKey, runnerFolder])
      .toString()
      .trim()
      .split("\n");
  } catch {
    return []; // grep's way to say that it found nothing
  }
}

/** Processes of the runner's sandbox whose environment or command line holds the key. */
function processesWith(runner: string): string[] {
  const record = JSON.parse(readFileSync(join(wharf.data, "runners", runner, "run.json"), "utf8"));
  const space = (pid: string | number) => {
    try {
      return execFileSync("readlink", [`/proc/${pid}/ns/pid`]).toString();
    } catch {
      return undefined;
    }
  };
  const sandbox = space(record.daemon.pid);
  expect(sandbox).toBeDefined();
  const inside = readdirSync("/proc").filter(
    (pid) => /^\d+$/.test(pid) && existsSync(`/proc/${pid}`) && space(pid) === sandbox,
  );
  expect(inside.length).toBeGreaterThan(0);
  return inside.filter((pid) =>
    ["environ", "cmdline"].some((file) => readFileSync(`/proc/${pid}/${file}`, "latin1").includes(realKey)),
  );
}
