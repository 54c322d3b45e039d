const blockBytes = 512;
const ownerAt = 108;
const ownerBytes = 8;

const octal = (value: number, bytes: number): string => `${value.toString(8).padStart(bytes - 1, "0")}\0`;

/** A tar archive of nothing but folders that belong to the user. */
export function folderEntries(paths: readonly string[], owner: number): Buffer {
  return Buffer.concat([...paths.map((path) => folderEntry(path, owner)), Buffer.alloc(2 * blockBytes)]);
}

function folderEntry(path: string, owner: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(`${path}/`, 0, 100);
  block.write(octal(0o755, 8), 100);
  block.write(octal(owner, ownerBytes), ownerAt);
  block.write(octal(owner, 8), 116);
  block.write(octal(0, 12), 124);
  block.write(octal(Math.floor(Date.now() / 1000), 12), 136);
  block.write(" ".repeat(8), 148);
  block.write("5", 156);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** Whose the first entry of an archive is. */
export function ownerOf(block: Buffer | undefined): number | undefined {
  if (block === undefined || block.length < blockBytes) return undefined;
  const owner = Number.parseInt(block.toString("latin1", ownerAt, ownerAt + ownerBytes), 8);
  return Number.isNaN(owner) ? undefined : owner;
}
