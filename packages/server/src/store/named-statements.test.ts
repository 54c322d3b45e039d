import { expect, test } from "vitest";
import { StatementNames } from "./named-statements.ts";

const use = (names: StatementNames, text: string, times: number) =>
  Array.from({ length: times }, () => names.find(text)).at(-1);

test("only statements that are executed often have a name, and each has another one", () => {
  const names = new StatementNames();
  expect(use(names, "select 1", 19)).toBeUndefined();
  const name = names.find("select 1");
  expect(name).toMatch(/^often_[0-9a-f]{32}$/);
  expect(use(names, "select 2", 20)).not.toBe(name);
  expect(names.find("select 1")).toBe(name);
});

test("the number of names has a limit, and so has that of statements without one", () => {
  const names = new StatementNames();
  for (let n = 0; n < 5_000; n++) names.find(`rare ${n}`);
  expect(use(names, "rare 4999", 100)).toBeUndefined();
  for (let n = 0; n < 200; n++) use(names, `rare ${n}`, 20);
  expect(names.find("rare 99")).toBeDefined();
  expect(names.find("rare 100")).toBeUndefined();
});
