import { randomBytes } from "node:crypto";
import { eventTypeByKind, type EventData, type JournalRecord } from "@wharf/contract";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventually } from "../../../../../test/support/eventually.ts";
import { fixture } from "../../../test/fixture.ts";
import { KnownSecrets } from "../../redaction/index.ts";
import { DividedSecrets, type DividedSecretsOptions } from "./divided-secrets.ts";
import {
  createRecord,
  createRunJournal,
  ignore,
  readTexts,
  type RunJournal,
  streamItems,
} from "./fixtures/run-journal.ts";

const key = `sk-ant-${randomBytes(24).toString("base64url")}`;
const hide = (text: string) => "*".repeat(text.length);

function createOptions(found: string[] = []): DividedSecretsOptions {
  const secrets = new KnownSecrets();
  secrets.register("KEY", key);
  return { secrets, onMatch: ({ name }) => found.push(name) };
}

const toRecords = (data: readonly EventData[]): JournalRecord[] =>
  data.map((one, index) => ({ seq: index + 1, at: "", run_id: "r", type: eventTypeByKind[one.kind], data: one }));
const say = (text: string): EventData => ({ kind: "message", role: "agent", text });
const print = (text: string): EventData => ({ kind: "output", stream: "stdout", text });
const endTurn: EventData = { kind: "turn", turn_id: "t", status: "ended" };
const getTexts = (records: readonly JournalRecord[]) =>
  records.map(({ data }) => ("text" in data ? String(data.text) : data.kind));

test("a secret is removed from all records that it is divided between, in each stream by itself", () => {
  const [a, b, c] = [key.slice(0, 10), key.slice(10, 15), key.slice(15)];
  const found: string[] = [];
  const divided = new DividedSecrets(createOptions(found));
  const waiting = toRecords([say(`say ${a}`), print(`print ${a}`), say(b), { kind: "thought", text: "one" }]);
  expect(divided.add(waiting)).toEqual([]);
  expect(getTexts(divided.add(toRecords([say(`${c}!`)])))).toEqual([`say ${hide(a)}`]);
  const rest = divided.add(toRecords([print(`${b}${c}`), endTurn]));
  expect(getTexts(rest)).toEqual([`print ${hide(a)}`, hide(b), "one", `${hide(c)}!`, hide(b + c), "turn"]);
  expect(found).toEqual(["KEY", "KEY"]);
});

test("records without a part of a secret are passed on at once, as they are", () => {
  const divided = new DividedSecrets(createOptions());
  for (const text of ["hello", "wörld 👋", "", "sk", "\\", "%", "sk-"]) {
    const records = toRecords([say(text), print(text)]);
    const passed = divided.add(records);
    expect(passed).toHaveLength(2);
    for (const [index, record] of passed.entries()) expect(record).toBe(records[index]);
  }
});

test("what only begins like a secret is complete when the turn ends", () => {
  const divided = new DividedSecrets(createOptions());
  const records = toRecords([say(`see ${key.slice(0, -1)}`), endTurn]);
  expect(divided.add(records)).toEqual(records);
  expect(getTexts(divided.add(toRecords([say(key.slice(-1))])))).toEqual([key.slice(-1)]);
});

test("any text keeps its characters and its records, except those of a secret", () => {
  const part = fc.oneof(
    fc.tuple(fc.nat(key.length), fc.nat(key.length)).map(([from, length]) => key.slice(from, from + length)),
    fc.constantFrom(key, Buffer.from(`u:${key}`).toString("base64"), "ü👋", "sk-ant-"),
    fc.string({ unit: "grapheme", maxLength: 12 }),
  );
  const records = fc.array(fc.tuple(fc.boolean(), part), { maxLength: 20 });
  fc.assert(
    fc.property(records, (given) => {
      const divided = new DividedSecrets(createOptions());
      const input = toRecords([...given.map(([isSaid, text]) => (isSaid ? say(text) : print(text))), endTurn]);
      const output = input.flatMap((record) => divided.add([record]));
      expect(output.map(({ seq }) => seq)).toEqual(input.map(({ seq }) => seq));
      for (const kind of ["message", "output"] as const) {
        const join = (all: readonly JournalRecord[]) =>
          all.map(({ data }) => (data.kind === kind ? data.text : "")).join("");
        const whole = createOptions().secrets.redactText(join(input));
        // Up to three letters of a secret may be visible at the end of a record.
        const shown = join(output);
        expect(shown).toHaveLength(whole.length);
        const wrong = Array.from(whole).filter((one, index) => one !== Array.from(shown)[index]);
        expect(wrong.every((one) => one === "*")).toBe(true);
        expect(shown).not.toContain(key);
      }
    }),
    { numRuns: Number(process.env["FUZZ_CASES"] ?? 200) },
  );
});

describe("a journal that divides a secret", () => {
  const createRecords = (s: RunJournal, texts: readonly string[], first = 1) =>
    texts.map((text, index) => createRecord(s, first + index, say(text)));

  test("is read again from the record that waited when its reader ended", async () => {
    await using f = await fixture();
    const s = await createRunJournal(f);
    const records = createRecords(s, ["one", `two ${key.slice(0, 20)}`, `${key.slice(20)} three`]);
    const reader = s.reader(0, createOptions());
    await reader.follow(streamItems(records.slice(0, 2)), ignore);
    expect(reader.cursor.seq).toBe(1);
    await s.reader(1, createOptions()).follow(streamItems(records.slice(1)), ignore);
    expect(await readTexts(s)).toEqual(["one", `two ${hide(key.slice(0, 20))}`, `${hide(key.slice(20))} three`]);
  });

  test("is continued by a new reader where the first letters are in the log", async () => {
    await using f = await fixture();
    const s = await createRunJournal(f);
    const records = createRecords(s, [`one ${key.slice(0, 3)}`, `${key.slice(3)} two`]);
    const reader = s.reader(0, createOptions());
    await reader.follow(streamItems(records.slice(0, 1)), ignore);
    expect(reader.cursor.seq).toBe(1);
    await s.reader(1, createOptions()).follow(streamItems(records.slice(1)), ignore);
    expect(await readTexts(s)).toEqual([`one ${key.slice(0, 3)}`, `${hide(key.slice(3))} two`]);
  });

  test("does not stop the log while the rest does not come, which is removed even then", async () => {
    await using f = await fixture();
    const s = await createRunJournal(f);
    const { promise: silence, resolve: endSilence } = Promise.withResolvers<void>();
    async function* stream() {
      yield* createRecords(s, [`one ${key.slice(0, 20)}`]);
      await silence;
      yield* createRecords(s, [`${key.slice(20)} two`], 2);
    }
    const following = s.reader(0, createOptions()).follow(stream(), ignore);
    await eventually(async () => (await readTexts(s)).length, 1);
    expect(await readTexts(s)).toEqual([`one ${hide(key.slice(0, 20))}`]);
    endSilence();
    await following;
    expect((await readTexts(s))[1]).toBe(`${hide(key.slice(20))} two`);
  });
});
