/** A command that tries to get out of a runner. */
export interface Escape {
  /** Ends with 0, whatever became of the attempt. */
  readonly command: string;
  /** What the command prints if the attempt failed. */
  readonly refused: RegExp;
  /** The host that the gateway reports, if the attempt reaches it. */
  readonly denied?: RegExp;
}

/** Sends a CONNECT for the authority, followed by the bytes, and prints the answer's first line. */
const connect = (authority: string, after = ""): string => {
  const program = `
    const socket = require("net").connect(4100, "127.0.0.1");
    const bytes = [];
    socket.on("data", (chunk) => bytes.push(chunk)).on("error", () => undefined);
    socket.on("close", () => { console.log(String(Buffer.concat(bytes)).split("\\r\\n")[0] || "closed"); process.exit(0); });
    socket.write(Buffer.from("${Buffer.from(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n${after}`).toString("base64")}", "base64"));
    setTimeout(() => socket.end(), 2000);`;
  return `node -e '${program.replaceAll("\n", " ")}'`;
};

const refuse = (authority: string, denied: RegExp = /./): Escape => ({
  command: connect(authority),
  refused: /^HTTP\/1\.1 40[03] /,
  denied,
});

const socketErrors = /^(ENETUNREACH|EHOSTUNREACH|ECONNREFUSED|EADDRNOTAVAIL|EPERM|EACCES|EAFNOSUPPORT|silent)\n$/;

/** Reports what became of an attempt: REACHED, the error, or silence. */
const attempt = (call: string): Escape => ({
  command: `node -e 'const end = (text) => { console.log(text); process.exit(0); }; setTimeout(end, 3000, "silent"); ${call}'`,
  refused: socketErrors,
});
const openSocket = (port: number, host: string): Escape =>
  attempt(
    `require("net").connect(${port}, "${host}").on("connect", () => end("REACHED")).on("error", (error) => end(error.code))`,
  );
const sendDatagram = (family: "udp4" | "udp6", port: number, host: string): Escape =>
  attempt(
    `require("dgram").createSocket("${family}").on("message", () => end("REACHED")).on("error", (error) => end(error.code)).send("x", ${port}, "${host}", (error) => error && end(error.code))`,
  );
const openRawSocket = (family: number): Escape => ({
  command: `perl -e 'print socket(my $raw, ${family}, 3, 1) ? "REACHED\n" : ($!{EPERM} ? "EPERM\n" : $!{EACCES} ? "EACCES\n" : $!{EAFNOSUPPORT} ? "EAFNOSUPPORT\n" : "$!\n")'`,
  refused: socketErrors,
});

/** Attempts that need a network of the runner's own. */
export const socketEscapes: readonly Escape[] = [
  openSocket(443, "1.1.1.1"),
  openSocket(443, "2606:4700:4700::1111"),
  openSocket(80, "169.254.169.254"),
  openSocket(22, "172.17.0.1"),
  sendDatagram("udp4", 53, "1.1.1.1"),
  sendDatagram("udp6", 53, "2606:4700:4700::1111"),
  { command: `env -i /usr/bin/curl -s -m 5 http://1.1.1.1/ || echo EPERM`, refused: socketErrors },
  openRawSocket(2),
  openRawSocket(10),
  openRawSocket(17),
];

/** Attempts through the relay, which is the one way out. */
export const escapes: Readonly<Record<string, readonly Escape[]>> = {
  "an address instead of a name": [
    refuse("1.1.1.1:443"),
    refuse("127.0.0.1:22"),
    refuse("2130706433:443"),
    refuse("0x7f.1:443"),
    refuse("0177.0.0.1:443"),
    refuse("[::1]:443"),
    refuse("[::ffff:127.0.0.1]:443"),
    refuse("[::ffff:7f00:1]:443"),
    refuse("169.254.169.254:80"),
  ],
  "a name in disguise": [
    refuse("localhost:443"),
    refuse("denied.example.:443"),
    refuse("DENIED.example:443"),
    refuse("xn--dnied-4ve.example:443"),
    refuse("registry.npmjs.org.denied.example:443"),
    refuse("registry.npmjs.org@denied.example:443"),
  ],
  // The relay itself refuses these, as they are no HTTP.
  "bytes that no host has": [
    "registry.npmjs.org\0.denied.example",
    "d\u0435nied.example",
    "denied.example#registry.npmjs.org",
  ].map((name) => ({ command: connect(`${name}:443`), refused: /^HTTP\/1\.1 400 / })),
  "another port": [
    refuse("deb.debian.org:22"),
    refuse("deb.debian.org:25"),
    refuse("deb.debian.org:53"),
    refuse("deb.debian.org:8080"),
  ],
  "another host behind an allowed one": [
    {
      command: `curl -sk --connect-to denied.example:443:deb.debian.org:443 -p https://denied.example/ -o /dev/null -w "%{http_code}" || true`,
      refused: /^000/,
      denied: /^deb\.debian\.org$/,
    },
    {
      command: `curl -s --connect-to denied.example:80:deb.debian.org:80 -p http://denied.example/ -o /dev/null -w "%{http_code}" || true`,
      refused: /^000/,
      denied: /^deb\.debian\.org$/,
    },
  ],
  "a child without the environment": [
    {
      command: `env -i /usr/bin/curl -s -m 10 https://denied.example/ || echo refused`,
      refused: /^refused\n$/,
      denied: /^denied\.example$/,
    },
  ],
};
