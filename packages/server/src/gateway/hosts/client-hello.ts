/** The largest ClientHello that is read; Node's own, with post-quantum keys, has 1.6 kB. */
const maxHelloBytes = 16 * 1024;
/** A hello may be spread over many small records. */
const maxRecordBytes = 4 * maxHelloBytes;
const handshakeRecord = 22;
const clientHello = 1;
const serverNameExtension = 0;

export type HelloResult =
  | { readonly kind: "incomplete" }
  | { readonly kind: "invalid"; readonly reason: string }
  /** The name that the client asks for; undefined if it asks for none. */
  | { readonly kind: "hello"; readonly serverName: string | undefined };

/**
 * Reads the server's name from the beginning of a TLS connection. The hello may be spread over
 * several records and packets.
 */
export function parseClientHello(bytes: Buffer): HelloResult {
  try {
    const message = joinRecords(bytes);
    if (message === undefined) return { kind: "incomplete" };
    return { kind: "hello", serverName: readServerName(message) };
  } catch (error) {
    return { kind: "invalid", reason: error instanceof HelloError ? error.message : "its TLS hello is damaged" };
  }
}

class HelloError extends Error {}

/** Returns the complete hello without its handshake header, or undefined if a part is missing. */
function joinRecords(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  let offset = 0;
  while (bytes[offset] === handshakeRecord && offset + 5 <= bytes.length) {
    const end = offset + 5 + bytes.readUInt16BE(offset + 3);
    parts.push(bytes.subarray(offset + 5, end));
    offset = end;
  }
  const message = Buffer.concat(parts);
  const type = offset < bytes.length ? bytes[offset] : handshakeRecord;
  if (offset === 0 && type !== handshakeRecord) throw new HelloError("it does not begin with a TLS hello");
  if (message.length > 0 && message[0] !== clientHello) throw new HelloError("it does not begin with a TLS hello");
  const length = message.length < 4 ? undefined : message.readUIntBE(1, 3);
  if (length !== undefined && length > maxHelloBytes) throw new HelloError("its TLS hello is too large");
  if (length !== undefined && message.length >= 4 + length) return message.subarray(4, 4 + length);
  if (type !== handshakeRecord) throw new HelloError("its TLS hello is cut by another record");
  if (bytes.length > maxRecordBytes) throw new HelloError("its TLS hello is too large");
  return undefined;
}

function readServerName(hello: Buffer): string | undefined {
  // The version and the random value come first.
  let offset = 2 + 32;
  offset += 1 + hello.readUInt8(offset);
  offset += 2 + hello.readUInt16BE(offset);
  offset += 1 + hello.readUInt8(offset);
  if (offset === hello.length) return undefined;
  const end = offset + 2 + hello.readUInt16BE(offset);
  if (end !== hello.length) throw new HelloError("its TLS hello is damaged");
  let serverName: string | undefined;
  for (offset += 2; offset < end;) {
    const type = hello.readUInt16BE(offset);
    const bodyEnd = offset + 4 + hello.readUInt16BE(offset + 2);
    if (bodyEnd > end) throw new HelloError("its TLS hello is damaged");
    if (type === serverNameExtension) {
      if (serverName !== undefined) throw new HelloError("its TLS hello names two servers");
      serverName = readNameList(hello.subarray(offset + 4, bodyEnd));
    }
    offset = bodyEnd;
  }
  return serverName;
}

/** The list has one entry: a host's name. */
function readNameList(list: Buffer): string {
  const length = list.readUInt16BE(3);
  if (list.readUInt16BE(0) !== list.length - 2 || list.readUInt8(2) !== 0 || length !== list.length - 5)
    throw new HelloError("its TLS hello names no host");
  return list.subarray(5).toString("latin1");
}
