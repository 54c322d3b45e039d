import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventDataByKind } from "@wharf/contract";
import { expect, test } from "vitest";
import { TurnQuestions } from "./turn-questions.ts";

const options = [
  { option_id: "yes", name: "Allow", option_kind: "allow_once" },
  { option_id: "no", name: "Reject", option_kind: "reject_once" },
];
const asked = (permission_id: string): { data: EventDataByKind<"permission"> } => ({
  data: { kind: "permission", permission_id, status: "asked", title: "May I?", options },
});
const denied = (entry?: string, allows_private = false): { data: EventDataByKind<"denied"> } => ({
  data: { kind: "denied", host: "packages.example", reason: "r", ...(entry && { entry, allows_private }) },
});

/** Simulates a user at a terminal, and records the answers. */
function person() {
  const input = new PassThrough();
  const output = new PassThrough();
  const answers: [string, string | undefined][] = [];
  const asker = new TurnQuestions(
    { input, output },
    {
      answerPermission: async (...answer) => void answers.push(answer),
      allowHost: async ({ entry, allows_private }, scope) =>
        void answers.push([allows_private ? `${entry} (private)` : entry, scope]),
    },
  );
  const until = async (count: number) => {
    for (let i = 0; i < 200 && answers.length < count; i++) await sleep(5);
    return answers;
  };
  return { input, output, asker, answers, until };
}

test("asks one question after the other and sends the user's choices", async () => {
  const { input, asker, until } = person();
  await using _ = asker;
  asker.handle(asked("first"));
  asker.handle(asked("second"));
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
  asker.handle(asked("p"));
  await sleep(20);
  input.write("seven\n");
  await sleep(20);
  input.write("reject\n");
  expect(await until(1)).toEqual([["p", "no"]]);
  expect(String(output.read())).toContain("Invalid answer");
});

test("drops a question that was answered elsewhere, and ends when the input ends", async () => {
  const { input, asker, answers } = person();
  asker.handle(asked("p"));
  await sleep(20);
  asker.handle({
    data: { kind: "permission", permission_id: "p", status: "answered", option_id: "yes", by: "another" },
  });
  asker.handle(asked("q"));
  await sleep(20);
  input.end();
  await asker[Symbol.asyncDispose]();
  expect(answers).toEqual([]);
});

test("asks once whether a denied host may be reached, for the task or for all runners", async () => {
  const { input, output, asker, until } = person();
  await using _ = asker;
  asker.handle(denied("packages.example"));
  asker.handle(denied("packages.example"));
  asker.handle(denied());
  await sleep(20);
  expect(String(output.read())).toContain("Allow packages.example?");
  input.write("maybe\n");
  await sleep(20);
  input.write("t\n");
  expect(await until(1)).toEqual([["packages.example", "task"]]);
  asker.handle(denied("files.example"));
  await sleep(20);
  input.write("all\n");
  expect(await until(2)).toContainEqual(["files.example", "all"]);
  asker.handle(denied("files.example", true));
  await sleep(20);
  input.write("t\n");
  expect(await until(3)).toContainEqual(["files.example (private)", "task"]);
});

test("a question of the agent takes the place of one about a host", async () => {
  const { input, asker, until } = person();
  await using _ = asker;
  asker.handle(denied("packages.example"));
  await sleep(20);
  asker.handle(asked("p"));
  await sleep(20);
  input.write("1\n");
  expect(await until(1)).toEqual([["p", "yes"]]);
});
