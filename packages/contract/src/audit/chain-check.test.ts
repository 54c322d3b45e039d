import { expect, test } from "vitest";
import { computeAuditHash, emptyHash, type HashedEntry } from "./audit-hash.ts";
import { ChainCheck } from "./chain-check.ts";

/** Creates a valid chain. */
function createChain(count: number): HashedEntry[] {
  const entries: HashedEntry[] = [];
  for (let sequence = 1; sequence <= count; sequence++) {
    const entry = { sequence, at: `2026-01-01T00:00:00.${100 + sequence}Z`, content: `{"n":${sequence}}` };
    entries.push({ ...entry, hash: computeAuditHash(entries.at(-1)?.hash ?? emptyHash, entry) });
  }
  return entries;
}

function check(entries: readonly HashedEntry[], options: ConstructorParameters<typeof ChainCheck>[0] = {}) {
  const chain = new ChainCheck(options);
  for (const entry of entries) chain.add(entry);
  return chain;
}

const chain = createChain(5);
const at = (index: number) => chain[index]!;

test("a chain is intact from its beginning, and from the entry after a known one", () => {
  expect(check(chain)).toMatchObject({ fault: undefined, checked: 5, end: { sequence: 5, hash: at(4).hash } });
  const { sequence, hash } = at(1);
  expect(check(chain.slice(2), { start: { sequence, hash } })).toMatchObject({ fault: undefined, checked: 3 });
});

test.each<[string, readonly HashedEntry[], object]>([
  ["a changed content", chain.with(2, { ...at(2), content: '{"n":9}' }), { kind: "changed", sequence: 3 }],
  ["a changed time", chain.with(2, { ...at(2), at: at(1).at }), { kind: "changed", sequence: 3 }],
  ["a changed hash", chain.with(2, { ...at(2), hash: at(1).hash }), { kind: "changed", sequence: 3 }],
  ["a removed entry", chain.toSpliced(2, 1), { kind: "missing", sequence: 3 }],
  [
    "an entry that was removed and the others renumbered",
    chain.toSpliced(2, 1).map((entry, index) => ({ ...entry, sequence: index + 1 })),
    { kind: "changed", sequence: 3 },
  ],
  [
    "two entries in each other's place",
    chain.with(1, { ...at(2), sequence: 2 }).with(2, { ...at(1), sequence: 3 }),
    { kind: "changed", sequence: 2 },
  ],
])("%s breaks the chain there", (_, entries, fault) => {
  expect(check(entries).fault).toMatchObject(fault);
});

test("an anchor finds a chain that was written again as a whole", () => {
  const { sequence, hash } = at(3);
  expect(check(chain, { anchor: { sequence, hash } }).fault).toBeUndefined();
  const other = createChain(5).map((entry) => ({ ...entry, content: entry.content.replace("n", "m") }));
  let previous = emptyHash;
  const rewritten = other.map((entry) => ({ ...entry, hash: (previous = computeAuditHash(previous, entry)) }));
  expect(check(rewritten).fault).toBeUndefined();
  expect(check(rewritten, { anchor: { sequence, hash } }).fault).toMatchObject({ kind: "anchor", sequence: 4 });
});
