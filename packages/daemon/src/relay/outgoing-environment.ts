import { existsSync } from "node:fs";
import { createRegistryEnvironment, readRegistries } from "./registry-environment.ts";

/** Programs reach these directly: the runner's own loopback. */
const directHosts = ["127.0.0.1", "localhost"];

/** Where distributions keep the certificates that the machine or the image trusts. */
const certificateFiles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
];

/** Returns the variables with which programs find their way out: through the relay. */
export function createOutgoingEnvironment(relayUrl: string): Record<string, string> {
  return {
    ...createProxyEnvironment(relayUrl),
    ...createCertificateEnvironment(),
    ...createRegistryEnvironment(relayUrl, readRegistries(process.env)),
  };
}

/** Most programs read the common names in one of the two cases; the others have their own names. */
function createProxyEnvironment(relayUrl: string): Record<string, string> {
  const { hostname, port } = new URL(relayUrl);
  const noProxy = directHosts.join(",");
  const java = ["http", "https"].flatMap((scheme) => [
    `-D${scheme}.proxyHost=${hostname}`,
    `-D${scheme}.proxyPort=${port}`,
  ]);
  return {
    HTTP_PROXY: relayUrl,
    http_proxy: relayUrl,
    HTTPS_PROXY: relayUrl,
    https_proxy: relayUrl,
    NO_PROXY: noProxy,
    no_proxy: noProxy,
    // Node.js reads the variables above only with this one.
    NODE_USE_ENV_PROXY: "1",
    // Yarn from version 2 on.
    YARN_HTTP_PROXY: relayUrl,
    YARN_HTTPS_PROXY: relayUrl,
    // Java, and with it Maven and Gradle.
    JAVA_TOOL_OPTIONS: [...java, `-Dhttp.nonProxyHosts=${directHosts.join("|")}`].join(" "),
  };
}

/**
 * Node.js, pip and others bring certificates with them. With these variables they trust the
 * system's too, such as those of a company's registry.
 */
function createCertificateEnvironment(): Record<string, string> {
  const file = certificateFiles.find((path) => existsSync(path));
  if (file === undefined) return {};
  return { NODE_EXTRA_CA_CERTS: file, PIP_CERT: file, REQUESTS_CA_BUNDLE: file, CARGO_HTTP_CAINFO: file };
}
