import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Creates a certificate authority in a folder, and a certificate of it for a subject such as
 * `DNS:example.com` or `IP:127.0.0.1`.
 */
export function createCertificates(subject: string, folder: string) {
  const path = (name: string) => join(folder, name);
  mkdirSync(folder, { recursive: true });
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const days = ["-days", "2"];
  openssl("req", "-x509", ...key, "-keyout", path("ca.key"), "-out", path("ca.pem"), "-subj", "/CN=authority", ...days);
  openssl("req", ...key, "-keyout", path("host.key"), "-out", path("host.csr"), "-subj", "/CN=host");
  writeFileSync(path("host.ext"), `subjectAltName=${subject}\n`);
  const authority = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial"];
  const request = ["-in", path("host.csr"), "-extfile", path("host.ext"), "-out", path("host.pem"), ...days];
  openssl("x509", "-req", ...authority, ...request);
  const read = (name: string) => readFileSync(path(name), "utf8");
  return { authority: read("ca.pem"), key: read("host.key"), cert: read("host.pem") };
}
