import { WharfError } from "@wharf/contract";
import { expect, test } from "vitest";
import { serveApi, token } from "../../../test/api.ts";
import { fixture } from "../../../test/fixture.ts";

test("a test fails if a route answers an error that its document does not list", async () => {
  await using f = await fixture();
  const fail = (code: "no_turn" | "board_not_found") => async () => {
    throw code === "no_turn" ? new WharfError(code, { task_id: "t" }) : new WharfError(code, { id: "b" });
  };
  for (const [code, isDocumented] of [
    ["board_not_found", true],
    ["no_turn", false],
  ] as const) {
    const served = await serveApi(f, { boards: { get: fail(code) } as never });
    const answer = await fetch(`${served.url}/api/v1/boards/${f.owner.default_board_id}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await answer.json()).toMatchObject({ code });
    if (isDocumented) await served[Symbol.asyncDispose]();
    else await expect(served[Symbol.asyncDispose]()).rejects.toThrow("getBoard");
  }
});
