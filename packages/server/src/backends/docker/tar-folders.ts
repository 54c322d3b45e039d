const blockBytes = 512;
const ownerOffset = 108;
const ownerBytes = 8;

const formatOctal = (value: number, bytes: number): string => `${value.toString(8).padStart(bytes - 1, "0")}\0`;

/** Creates a tar archive that contains only folders, which belong to the given user. */
export function createFolderArchive(paths: readonly string[], owner: number): Buffer {
  return Buffer.concat([...paths.map((path) => createFolderEntry(path, owner)), Buffer.alloc(2 * blockBytes)]);
}

function createFolderEntry(path: string, owner: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(`${path}/`, 0, 100);
  block.write(formatOctal(0o755, 8), 100);
  block.write(formatOctal(owner, ownerBytes), ownerOffset);
  block.write(formatOctal(owner, 8), 116);
  block.write(formatOctal(0, 12), 124);
  block.write(formatOctal(Math.floor(Date.now() / 1000), 12), 136);
  block.write(" ".repeat(8), 148);
  block.write("5", 156);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** Returns the owner of an archive's first entry. */
export function parseOwner(block: Buffer | undefined): number | undefined {
  if (block === undefined || block.length < blockBytes) return undefined;
  const owner = Number.parseInt(block.toString("latin1", ownerOffset, ownerOffset + ownerBytes), 8);
  return Number.isNaN(owner) ? undefined : owner;
}
