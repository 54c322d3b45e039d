import { describe, expect, test } from "vitest";
import { BodyMemory } from "./body-memory.ts";
import { RequestBody } from "./request-body.ts";

const megabyte = 1024 * 1024;
const chunk = Buffer.alloc(megabyte, " ");

async function* yieldChunks(count: number): AsyncGenerator<Buffer> {
  for (let n = 0; n < count; n++) yield chunk;
}

const openBody = (memory: BodyMemory, runnerId: string) =>
  new RequestBody({ runnerId, maxBytes: 32 * megabyte, memory });
const readBody = async (body: RequestBody, megabytes: number) =>
  (await body.read(yieldChunks(megabytes), () => undefined)).length / megabyte;
const refusal = { code: "rate_limited" };

describe("the bodies of open requests", () => {
  test("have a limit per runner, and one for all runners that one runner cannot use up", async () => {
    const memory = new BodyMemory();
    const ofFirst = [openBody(memory, "first"), openBody(memory, "first")];
    for (const body of ofFirst) expect(await readBody(body, 32)).toBe(32);
    await expect(readBody(openBody(memory, "first"), 1)).rejects.toMatchObject(refusal);
    expect(await readBody(openBody(memory, "second"), 32)).toBe(32);
    for (const runnerId of ["third", "fourth", "fifth"])
      expect(await readBody(openBody(memory, runnerId), 32)).toBe(32);
    const refused = openBody(memory, "sixth");
    await expect(readBody(refused, 5)).rejects.toMatchObject(refusal);
    for (const body of [refused, ofFirst[0]]) body?.release();
    expect(await readBody(openBody(memory, "sixth"), 32)).toBe(32);
  });

  test("leave room for small ones when large ones hold everything else", async () => {
    const memory = new BodyMemory();
    for (let n = 0; n < 6; n++) await readBody(openBody(memory, `large-${n}`), 32);
    for (let n = 0; n < 16; n++) expect(await readBody(openBody(memory, `small-${n}`), 4)).toBe(4);
    await expect(readBody(openBody(memory, "small-16"), 1)).rejects.toMatchObject(refusal);
    await expect(readBody(openBody(memory, "small-0"), 1)).rejects.toMatchObject(refusal);
  });

  test("give back what they held, once, also after a refusal in the middle", async () => {
    const memory = new BodyMemory();
    for (let round = 0; round < 10; round++) {
      const body = openBody(memory, "runner");
      await expect(readBody(body, 33)).rejects.toMatchObject({ code: "body_too_large" });
      body.release();
      body.release();
    }
    expect(await readBody(openBody(memory, "runner"), 32)).toBe(32);
    expect(await readBody(openBody(memory, "runner"), 32)).toBe(32);
    await expect(readBody(openBody(memory, "runner"), 1)).rejects.toMatchObject(refusal);
  });

  test("hold nothing of what arrives after they were released", async () => {
    const memory = new BodyMemory();
    for (let round = 0; round < 10; round++) {
      const body = openBody(memory, "runner");
      await body.read(yieldChunks(20), () => body.release());
    }
    expect(await readBody(openBody(memory, "runner"), 32)).toBe(32);
  });
});
