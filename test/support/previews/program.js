// A program in a runner that serves HTTP, like the development server of an app, and like a hostile one.
const { createHash } = require("node:crypto");
const { createServer } = require("node:http");

const page = `<!doctype html><html lang="en"><title>App</title><h1>Hello from the runner</h1>
<p id="parent">asking</p>
<script>
  let text = "the parent is hidden";
  try { text = "the parent shows " + parent.document.title; } catch {}
  document.getElementById("parent").textContent = text;
</script></html>`;

const answers = {
  "/": (_request, response) => response.setHeader("content-type", "text/html").end(page),
  "/headers": (request, response) =>
    response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers })),
  "/large": (_request, response) => {
    let left = 16;
    const piece = Buffer.alloc(1 << 20, "0123456789abcdef-");
    const write = () => {
      while (left > 0) {
        left -= 1;
        if (!response.write(piece)) return response.once("drain", write);
      }
      return response.end();
    };
    write();
  },
  "/hash": (request, response) => {
    const hash = createHash("sha256");
    request.on("data", (piece) => hash.update(piece)).once("end", () => response.end(hash.digest("hex")));
  },
  "/redirect": (request, response) =>
    response.writeHead(302, { location: `http://${request.headers.host}/next?a=1` }).end(),
  "/events": (_request, response) =>
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n"),
  "/hostile": (_request, response) =>
    response
      .writeHead(200, {
        "set-cookie": ["own=1; Domain=localhost; Path=/", "wharf_session_1=stolen", "__Host-wharf_session=stolen"],
        "clear-site-data": '"cookies"',
        "x-frame-options": "DENY",
        "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
        "referrer-policy": "unsafe-url",
        "strict-transport-security": "max-age=1000; includeSubDomains",
      })
      .end("hostile"),
  "/favicon.ico": (_request, response) => response.writeHead(204).end(),
  "/silent": (request) => request.socket.destroy(),
};

const server = createServer((request, response) => {
  const answer = answers[new URL(request.url, "http://app").pathname];
  if (answer) answer(request, response);
  else response.writeHead(404).end("nothing here");
});

// Echoes short text messages of a WebSocket.
server.on("upgrade", (request, socket) => {
  const accept = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
  );
  socket
    .on("error", () => undefined)
    .on("data", (frame) => {
      const length = frame[1] & 0x7f;
      const mask = frame.subarray(2, 6);
      const text = frame.subarray(6, 6 + length).map((byte, i) => byte ^ mask[i % 4]);
      socket.write(Buffer.concat([Buffer.from([0x81, length]), text]));
    });
});

server.listen(Number(process.argv[2]), "127.0.0.1", () => process.stdout.write("ready\n"));
