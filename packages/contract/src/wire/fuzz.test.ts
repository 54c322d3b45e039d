import { duplexPair } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { daemonApi } from "../daemon/index.ts";
import { createDaemonEndpoint } from "../endpoint.ts";
import { RemoteError, WharfError } from "../errors/index.ts";
import { createWireClient } from "./client.ts";
import { WireProtocolError } from "./errors.ts";
import { acceptWire, offerWire } from "./handshake.ts";
import { readNdjsonLines } from "./ndjson.ts";
import { muxPair } from "./testing.ts";

/**
 * For any input from a peer, a reader either returns a permitted value or throws an error of the
 * catalogue.
 */
const runs = { numRuns: Number(process.env["FUZZ_CASES"] ?? 1_000) };

const noise = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
const pieces = (piece: fc.Arbitrary<string | Buffer>) =>
  fc.array(piece, { maxLength: 20 }).map((all) => Buffer.concat(all.map((one) => Buffer.from(one))));

test("lines equal those of the whole text, however it is split, and none is too long", async () => {
  const text = pieces(fc.oneof(fc.constantFrom("\n", "\r\n", " ", "{}", "ä", "x".repeat(30)), noise));
  const maxBytes = 40;
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 12 }), async (bytes, size) => {
      const chunks = async function* () {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      };
      const whole = bytes.toString("latin1").split("\n");
      const read = Array.fromAsync(readNdjsonLines(chunks(), maxBytes));
      if (whole.some((line) => line.length > maxBytes)) {
        await expect(read).rejects.toThrow(WireProtocolError);
        return;
      }
      const lines = whole.map((line) => Buffer.from(line, "latin1").toString("utf8").trim());
      expect((await read).map((line) => line.trim()).filter(Boolean)).toEqual(lines.filter(Boolean));
    }),
    runs,
  );
});

test("a handshake with any other peer is refused, on both sides", async () => {
  const options = { key: "ab".repeat(32), runnerId: "r", timeoutMs: 5_000 };
  const said = pieces(fc.oneof(fc.constantFrom("wharf/1\n", "\u0001", "\0".repeat(8), "k".repeat(32)), noise));
  const allowed = expect.objectContaining({ code: expect.stringMatching(/^runner_(hostile|unavailable)$/) });
  await fc.assert(
    fc.asyncProperty(said, fc.boolean(), async (bytes, isServer) => {
      const [near, far] = duplexPair();
      far.on("error", () => undefined).resume();
      far.end(bytes);
      const side = isServer
        ? acceptWire(near, { ...options, epoch: 1 })
        : offerWire(near, { ...options, lastEpoch: 0 });
      expect(await side.catch((error: unknown) => error)).toEqual(allowed);
      expect(near.destroyed).toBe(true);
    }),
    runs,
  );
});

const answer = z.object({ text: z.string() });
const plain = createDaemonEndpoint({ method: "GET", path: "/plain", summary: "Any answer", response: answer });
const lines = createDaemonEndpoint({ method: "GET", path: "/lines", summary: "Lines", response: "stream" });

test("any response bytes become a response of the schema, or an error of the catalogue", async () => {
  const problem = '{"type":"about:blank","title":"t","status":404,"detail":"d","code":"file_not_found","next":"n"}';
  const words = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 404 Not Found\r\n",
    "content-length: 5\r\n",
    "content-length: 96\r\n",
  ];
  const more = [
    "transfer-encoding: chunked\r\n",
    "\r\n",
    "5\r\n",
    "0\r\n\r\n",
    '{"text":"a"}',
    problem,
    "[1]\n",
    "nul\n",
  ];
  const said = pieces(fc.oneof(fc.constantFrom(...words, ...more), noise));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("", words.slice(0, 1).join("")),
      said,
      fc.boolean(),
      async (head, rest, isCall) => {
        using wire = muxPair(
          {},
          { onStream: (stream) => stream.on("error", () => undefined).once("data", () => stream.end(head + rest)) },
        );
        const client = createWireClient(wire.client, { runnerId: "r", timeoutMs: 5_000, maxLineBytes: 1_000 });
        try {
          if (isCall) answer.parse(await client.call(plain, {}));
          else for await (const value of client.stream(lines, {})) expect(value).toBeDefined();
        } catch (error) {
          const isOurs = error instanceof WharfError || error instanceof RemoteError;
          if (!isOurs) throw error;
          expect(error.code).not.toBe("runner_timeout");
        }
      },
    ),
    runs,
  );
});

test("every response schema accepts or rejects any JSON", () => {
  const schemas = Object.values(daemonApi).flatMap(({ response }) => (typeof response === "string" ? [] : [response]));
  fc.assert(
    fc.property(fc.constantFrom<z.ZodType>(...schemas), fc.jsonValue({ stringUnit: "binary" }), (schema, value) => {
      const result = schema.safeParse(value);
      expect(typeof result.success).toBe("boolean");
    }),
    runs,
  );
});
