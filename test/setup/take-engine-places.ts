import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, expect, inject } from "vitest";
import { getEngineUse } from "./engine-places.ts";

/** Waits until the engine of this test file has room for it. */
const use = getEngineUse(expect.getState().testPath ?? "");
if (use) {
  const socket = connect(inject("enginePlaces"));
  socket.write(`${JSON.stringify(use)}\n`);
  await once(socket, "data");
  socket.unref();
  afterAll(() => void socket.destroy());
}
