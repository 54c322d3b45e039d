import fc from "fast-check";
import { expect, test } from "vitest";
import { Bench } from "../fixtures/bench.ts";
import { SessionChoices } from "./session-choices.ts";

test("a mode that the agent offers is set and logged; any other is refused without asking the agent", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.host.setMode("plan");
  expect(bench.journal.getEvents("session").at(-1)).toMatchObject({ mode: "plan", loaded: false });
  await expect(bench.host.setMode("chaos")).rejects.toMatchObject({
    code: "choice_unavailable",
    message: expect.stringMatching(/^The agent has no mode 'chaos'; it offers .*plan/),
  });
  await expect(bench.host.setModel("m1")).rejects.toMatchObject({
    code: "choice_unavailable",
    message: "The agent does not let you choose a model, so it has no model 'm1'.",
  });
  expect(await bench.runTurn("talk")).toMatchObject({ stop_reason: "end_turn" });
});

test("a model is set from the list of an agent that has one", async () => {
  await using bench = await Bench.open();
  await bench.start("models");
  expect(bench.journal.getEvents("session")[0]).toMatchObject({ model: "m1" });
  await bench.host.setModel("m2");
  expect(bench.journal.getEvents("session").at(-1)).toMatchObject({ mode: "code", model: "m2" });
  await expect(bench.host.setModel("m3")).rejects.toMatchObject({ code: "choice_unavailable" });
});

test("a model and a mode are set by the session's options, and the agent's response defines what is offered next", async () => {
  await using bench = await Bench.open();
  await bench.start("options");
  await expect(bench.host.setModel("huge")).rejects.toMatchObject({ code: "choice_unavailable" });
  await bench.host.setModel("large");
  expect(bench.journal.getEvents("agent_info").at(-1)).toMatchObject({
    update: "config_option_update",
    configOptions: [{ id: "llm", currentValue: "large" }, { id: "how" }, { id: "loud" }, 7],
  });
  await bench.host.setModel("huge");
  await bench.host.setMode("act");
  expect(bench.journal.getEvents("session").at(-1)).toMatchObject({ mode: "act", model: "huge" });
  await expect(bench.host.setModel("out")).rejects.toMatchObject({
    code: "agent_refused",
    context: { reason: "that one is sold out" },
  });
});

test("an agent that offers nothing, is not running, or only prints is reported as such", async () => {
  await using bench = await Bench.open();
  await expect(bench.host.setMode("code")).rejects.toMatchObject({
    code: "agent_not_ready",
    context: { status: "none" },
  });
  await bench.start("", { protocol: "text", command: ["/bin/true"] });
  await expect(bench.host.setMode("code")).rejects.toMatchObject({ code: "unsupported" });
  await expect(bench.host.setModel("m1")).rejects.toMatchObject({ code: "unsupported" });
});

test("a choice is one of the agent's offers or a typed error, for any offers", () => {
  const text = fc.oneof(fc.constantFrom("a", "b", "mode", "model", "select"), fc.string());
  const option = fc.oneof(
    fc.record({ value: text }),
    fc.record({ group: text, options: fc.array(fc.record({ value: text })) }),
    fc.jsonValue(),
  );
  const offered = fc.record(
    {
      modes: fc.oneof(fc.jsonValue(), fc.record({ availableModes: fc.array(fc.record({ id: text })) })),
      models: fc.oneof(fc.jsonValue(), fc.record({ availableModels: fc.array(fc.record({ modelId: text })) })),
      configOptions: fc.oneof(
        fc.jsonValue(),
        fc.array(fc.record({ id: text, category: text, type: text, options: fc.array(option) })),
      ),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(offered, text, (what, id) => {
      for (const choose of ["getModeRequest", "getModelRequest"] as const) {
        let params: Readonly<Record<string, string>>;
        try {
          ({ params } = new SessionChoices(what)[choose](id));
        } catch (error) {
          expect(error).toMatchObject({ code: "choice_unavailable" });
          continue;
        }
        expect(JSON.stringify(what)).toContain(JSON.stringify(id));
        expect(Object.values(params)).toContain(id);
      }
    }),
    { numRuns: Number(process.env["FUZZ_CASES"] ?? 2_000) },
  );
});
