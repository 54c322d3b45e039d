import { daemonApi, ExecEvent } from "@wharf/contract";
import type { WireClient } from "@wharf/contract/wire";

/** What every comparison of commands runs, and what it must say. */
export const command = "echo here";
export const said = "here\n";

/** Runs it in a runner, and fails where it did not say what it should. */
export async function execInside(client: WireClient): Promise<void> {
  let output = "";
  for await (const line of client.stream(daemonApi.exec, { body: { command } })) {
    const event = ExecEvent.parse(line);
    if (event.type === "exit" && event.exit_code === 0 && output === said) return;
    if (event.type === "stdout") output += event.data;
  }
  throw new Error(`the command said '${output}'`);
}

/** Answers with the time of each step that `work` took, in ms. */
export async function repeat(times: number, work: () => Promise<unknown>): Promise<number[]> {
  const all: number[] = [];
  for (let n = 0; n < times; n++) {
    const began = performance.now();
    await work();
    all.push(performance.now() - began);
  }
  return all;
}
