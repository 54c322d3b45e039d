import { daemonApi, ExecEvent } from "@wharf/contract";
import type { WireClient } from "@wharf/contract/wire";

/** The command of every comparison, and its expected output. */
export const command = "echo here";
export const expectedOutput = "here\n";

/** Runs the command in a runner, and fails if the output is not as expected. */
export async function execCommand(client: WireClient): Promise<void> {
  let output = "";
  for await (const line of client.stream(daemonApi.exec, { body: { command } })) {
    const event = ExecEvent.parse(line);
    if (event.type === "exit" && event.exit_code === 0 && output === expectedOutput) return;
    if (event.type === "stdout") output += event.data;
  }
  throw new Error(`the command said '${output}'`);
}

/** Repeats `work` and returns the time of each call, in ms. */
export async function measureRepeatedly(times: number, work: () => Promise<unknown>): Promise<number[]> {
  const all: number[] = [];
  for (let n = 0; n < times; n++) {
    const began = performance.now();
    await work();
    all.push(performance.now() - began);
  }
  return all;
}
