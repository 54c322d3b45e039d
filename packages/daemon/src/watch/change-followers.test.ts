import type { FsChanges } from "@wharf/contract";
import { expect, test } from "vitest";
import { ChangeFollowers } from "./change-followers.ts";

const createEvent = (path: string): FsChanges => ({
  kind: "fs_change",
  changes: [{ type: "file-created", path, is_directory: false, timestamp: "2026-01-01T00:00:00Z", source: "remote" }],
});

test("every follower gets the events since it began, and ends when its caller leaves", async () => {
  const followers = new ChangeFollowers();
  const departure = new AbortController();
  followers.publish(createEvent("before"));
  const [first, second] = [followers.follow(departure.signal), followers.follow(departure.signal)];
  const heads = [first.next(), second.next()];
  followers.publish(createEvent("a"));
  expect((await Promise.all(heads)).map(({ value }) => value)).toEqual([createEvent("a"), createEvent("a")]);
  const end = first.next();
  departure.abort();
  expect(await end).toEqual({ done: true, value: undefined });
});

test("a follower that is far behind is asked to read everything again", async () => {
  const followers = new ChangeFollowers();
  const { signal } = new AbortController();
  const reader = followers.follow(signal);
  const head = reader.next();
  followers.publish(createEvent("first"));
  await head;
  for (let i = 0; i < 150; i++) followers.publish(createEvent(`f${i}`));
  const { value } = await reader.next();
  expect(value).toEqual({ kind: "fs_change", changes: [], rescan: true });
  expect((await reader.next()).value).toEqual(createEvent("f101"));
});
