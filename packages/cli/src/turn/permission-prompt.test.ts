import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventDataByKind } from "@wharf/contract";
import { expect, test } from "vitest";
import { PermissionPrompt } from "./permission-prompt.ts";

const options = [
  { option_id: "yes", name: "Allow", option_kind: "allow_once" },
  { option_id: "no", name: "Reject", option_kind: "reject_once" },
];
const asked = (permission_id: string): EventDataByKind<"permission"> => ({
  kind: "permission",
  permission_id,
  status: "asked",
  title: "May I?",
  options,
});

/** Simulates a user at a terminal, and records the answers. */
function person() {
  const input = new PassThrough();
  const output = new PassThrough();
  const answers: [string, string | undefined][] = [];
  const asker = new PermissionPrompt({ input, output, answer: async (...answer) => void answers.push(answer) });
  const until = async (count: number) => {
    for (let i = 0; i < 200 && answers.length < count; i++) await sleep(5);
    return answers;
  };
  return { input, output, asker, answers, until };
}

test("asks one question after the other and sends the user's choices", async () => {
  const { input, asker, until } = person();
  await using _ = asker;
  asker.handlePermission(asked("first"));
  asker.handlePermission(asked("second"));
  await sleep(20);
  input.write("1\n");
  expect(await until(1)).toEqual([["first", "yes"]]);
  await sleep(20);
  input.write("n\n");
  expect(await until(2)).toEqual([
    ["first", "yes"],
    ["second", undefined],
  ]);
});

test("asks again after an invalid answer", async () => {
  const { input, output, asker, until } = person();
  await using _ = asker;
  asker.handlePermission(asked("p"));
  await sleep(20);
  input.write("seven\n");
  await sleep(20);
  input.write("reject\n");
  expect(await until(1)).toEqual([["p", "no"]]);
  expect(String(output.read())).toContain("Invalid answer");
});

test("drops a question that was answered elsewhere, and ends when the input ends", async () => {
  const { input, asker, answers } = person();
  asker.handlePermission(asked("p"));
  await sleep(20);
  asker.handlePermission({
    kind: "permission",
    permission_id: "p",
    status: "answered",
    option_id: "yes",
    by: "another",
  });
  asker.handlePermission(asked("q"));
  await sleep(20);
  input.end();
  await asker[Symbol.asyncDispose]();
  expect(answers).toEqual([]);
});
