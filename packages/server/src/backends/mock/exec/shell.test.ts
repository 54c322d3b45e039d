import type { ExecEvent } from "@wharf/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryFiles } from "../memory-files.ts";
import { simulate } from "./shell.ts";
import { parseScript } from "./words.ts";

async function run(command: string, options: { timeout_s?: number; files?: MemoryFiles } = {}) {
  const { timeout_s = 5, files = new MemoryFiles(1 << 20) } = options;
  const input = { command, shell: "bash", working_dir: ".", environment: { WHO: "me" }, timeout_s };
  const events: ExecEvent[] = await Array.fromAsync(simulate(input, { files, signal: new AbortController().signal }));
  const text = (type: string) => events.map((one) => (one.type === type && "data" in one ? one.data : "")).join("");
  return { events, out: text("stdout"), err: text("stderr"), exit: events.at(-1) };
}

test.each([
  ["echo a; echo b", "a\nb\n"],
  ["false && echo no || echo yes", "yes\n"],
  ["true && echo yes", "yes\n"],
  [`echo "$WHO is '$WHO'" '$WHO' \\$WHO`, "me is 'me' $WHO $WHO\n"],
  ["echo one > f; echo two >> f; cat f", "one\ntwo\n"],
  ["mkdir d && cd d && pwd && touch x && ls", "/workspace/d\nx\n"],
  ["yes | head -c 4", "y\ny\n"],
  ["seq 1 3 | wc -l", "3\n"],
  ["X=5; echo ${X}; false; echo $?", "5\n1\n"],
  ["printf 'a\\tb\\n'; printf '%s-' 1 2", "a\tb\n1-2-"],
  ["head -c 3 /dev/zero | tr '\\0' x", "xxx"],
])("%s", async (command, out) => {
  expect((await run(command)).out).toBe(out);
});

test("keeps the two streams apart, and the exit comes last", async () => {
  const { out, err, events } = await run("echo out; echo err >&2; exit 7");
  expect({ out, err }).toEqual({ out: "out\n", err: "err\n" });
  expect(events.at(-1)).toEqual({ type: "exit", exit_code: 7, signal: null, timed_out: false });
});

test("ends by a signal, by its timeout, and with 127 for what is not there", async () => {
  expect((await run("kill -9 $$")).exit).toMatchObject({ exit_code: null, signal: "SIGKILL" });
  expect((await run("echo a; sleep 60", { timeout_s: 0.05 })).exit).toMatchObject({
    exit_code: null,
    signal: "SIGTERM",
    timed_out: true,
  });
  expect((await run("frobnicate")).exit).toMatchObject({ exit_code: 127 });
});

test("refuses what it does not simulate instead of misreading it", async () => {
  for (const command of ["echo $(id)", "(echo a)", "sleep 1 &", "echo `id`"]) {
    const { exit, err } = await run(command);
    expect(exit).toMatchObject({ exit_code: 2 });
    expect(err).toContain("simulated shell");
  }
});

test("a path outside is refused", async () => {
  expect((await run("cat ../../etc/passwd")).err).toContain("lies outside the workspace");
});

const runs = Number(process.env["FUZZ_CASES"] ?? 3000);

test("its parser takes any text without an error of its own", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc
          .array(fc.constantFrom("a", " ", "'", '"', "\\", "$", ";", "|", "&", ">", "<", "\n", "(", "2>&1", "&&"))
          .map((all) => all.join("")),
      ),
      (script) => {
        try {
          parseScript(script);
        } catch (error) {
          expect(error).toMatchObject({ code: "unsupported" });
        }
      },
    ),
    { numRuns: runs },
  );
});
