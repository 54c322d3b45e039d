import type { Command } from "commander";
import { z } from "zod";
import { type Cli, toJsonLine, type RegisterCommand } from "../cli.ts";
import { type Check, runChecks } from "../doctor/index.ts";
import { addExamples } from "../help/examples.ts";
import { formatCount } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import type { Style } from "../render/style.ts";
import { exitCodes } from "../turn/outcome.ts";

export function addDoctor(program: Command, register: RegisterCommand): void {
  const command = program
    .command("doctor")
    .summary("Check whether Wharf works on this machine")
    .description("Check whether Wharf works on this machine, and explain how to install what is missing");
  register(addExamples(command, ["wharf doctor"]), z.object({}), runDoctor);
}

async function runDoctor({ client, settings, terminal }: Cli): Promise<number> {
  const checks = await runChecks({ client, settings });
  const isWorking = checks.every(({ status }) => status !== "fail");
  terminal.out(settings.json ? toJsonLine({ ok: isWorking, checks }) : formatChecks(checks, terminal.style));
  return isWorking ? exitCodes.done : exitCodes.wharfFailed;
}

function formatChecks(checks: readonly Check[], style: Style): string {
  const nameWidth = Math.max(...checks.map(({ name }) => name.length));
  const marks = { ok: style.green("ok  "), warn: style.yellow("warn"), fail: style.red("FAIL") };
  const lines = checks.flatMap(({ name, status, text, next }) => [
    `${marks[status]}  ${name.padEnd(nameWidth)}  ${toSingleLine(text, 300)}`,
    ...(next === undefined ? [] : [`${" ".repeat(nameWidth + 8)}${style.dim(`→ ${toSingleLine(next, 600)}`)}`]),
  ]);
  const fails = checks.filter(({ status }) => status === "fail").length;
  const verdict =
    fails === 0
      ? style.bold("Wharf works on this machine.")
      : style.bold(style.red(`Wharf does not work on this machine: ${formatCount(fails, "check")} failed.`));
  return `${lines.join("\n")}\n\n${verdict}\n`;
}
