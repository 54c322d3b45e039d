import { WharfError } from "@wharf/contract";
import { expect, test } from "vitest";
import type { Link } from "./link.ts";
import { RunnerLinks } from "./links.ts";

const mine = { id: "mine", owner_id: "someone" };
const ofRun = { id: "of-run", owner_id: null };

function setting({ atWork = true } = {}) {
  const held = new Map<string, Link>();
  const opened: { link: Link; gone: AbortController; closed: boolean }[] = [];
  const make = () => {
    const gone = new AbortController();
    const one = {
      gone,
      closed: false,
      link: {
        client: { call: async () => ({}) } as unknown as Link["client"],
        signal: gone.signal,
        async [Symbol.asyncDispose]() {
          one.closed = true;
          gone.abort(new Error("closed"));
        },
      },
    };
    return one;
  };
  const links = new RunnerLinks({
    runLinks: held,
    hasActiveRun: async () => atWork,
    openLink: async () => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      opened.push(make());
      return opened.at(-1)!.link;
    },
    idleMs: 50,
  });
  const ask = (runner: Parameters<RunnerLinks["use"]>[0]) =>
    links.use(runner, (client) => client.call({ method: "POST", path: "/x", summary: "", response: "none" }, {}));
  return { links, held, opened, make, ask };
}

test("concurrent callers share one wire, which closes after a while without use", async () => {
  const { opened, ask, links } = setting();
  await Promise.all(Array.from({ length: 20 }, () => ask(mine)));
  expect(opened).toHaveLength(1);
  using held = links.acquire(mine);
  await new Promise((resolve) => setTimeout(resolve, 120));
  expect(opened[0]!.closed).toBe(false);
  held[Symbol.dispose]();
  await expect.poll(() => opened[0]!.closed).toBe(true);
  await ask(mine);
  expect(opened).toHaveLength(2);
  await links.close();
  expect(opened[1]!.closed).toBe(true);
  expect(() => links.acquire(mine)).toThrow(WharfError);
});

test("a wire that broke or was displaced is opened again for the next caller", async () => {
  const { opened, ask, links } = setting();
  await ask(mine);
  opened[0]!.gone.abort(new Error("displaced"));
  await ask(mine);
  expect(opened).toHaveLength(2);
  await links.close();
});

test("a caller waits for a run's wire and never displaces it, and without a live run there is none", async () => {
  const { held, opened, make, ask, links } = setting();
  const asked = ask(ofRun);
  setTimeout(() => held.set(ofRun.id, make().link), 50);
  await asked;
  expect(opened).toHaveLength(0);
  await links.close();
  await expect(setting({ atWork: false }).ask(ofRun)).rejects.toMatchObject({ code: "runner_unavailable" });
});
