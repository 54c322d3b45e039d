import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getHostPatterns } from "@wharf/contract";
import { afterAll, beforeAll, expect } from "vitest";
import { local } from "./conformance/backends.ts";
import { ConformanceHarness, type Runner } from "./conformance/conformance-harness.ts";
import { PackageRegistry } from "./support/packages/package-registry.ts";
import { createSamplePackages } from "./support/packages/sample-packages.ts";
import { withTestService } from "./support/test-services.ts";

/**
 * Package managers of other languages than JavaScript, whose registries not every machine reaches:
 * the real programs install from a registry of the test, behind the name of a public host. What the
 * commands set is the registry's address and its certificate; the way out is the runner's own.
 */
const { test } = withTestService("package-managers");
const host = "packages.example";
const url = `https://${host}`;

const projects = {
  pip: {
    command: `REQUESTS_CA_BUNDLE=ca.pem PIP_INDEX_URL=${url}/pypi/simple pip install --target lib --no-cache-dir wharf-sample && PYTHONPATH=lib python3 -c 'import wharf_sample; print(wharf_sample.answer)'`,
    fetched: "/pypi/files/wharf_sample-1.0.0-py3-none-any.whl",
    output: /^42$/m,
  },
  "Python's urllib": {
    command: `SSL_CERT_FILE=ca.pem python3 -c 'import urllib.request as r; print(r.urlopen("${url}/cargo/config.json").read())'`,
    fetched: "/cargo/config.json",
    output: /dl/,
  },
  go: {
    command: `export SSL_CERT_FILE=$PWD/ca.pem GOPROXY=${url}/go GOSUMDB=off GOFLAGS=-modcacherw; go mod init me && go get wharf.example/sample && cat go.sum`,
    fetched: "/go/wharf.example/sample/@v/v1.0.0.zip",
    output: /wharf\.example\/sample v1\.0\.0/,
  },
  "go without proxies": {
    command: `unset https_proxy HTTPS_PROXY http_proxy HTTP_PROXY; export SSL_CERT_FILE=$PWD/ca.pem GOPROXY=${url}/go GOSUMDB=off GOFLAGS=-modcacherw GOPATH=$PWD/go; go mod init me && go get wharf.example/sample && cat go.sum`,
    fetched: "/go/wharf.example/sample/@v/v1.0.0.zip",
    output: /wharf\.example\/sample v1\.0\.0/,
  },
  cargo: {
    command: `export CARGO_HTTP_CAINFO=$PWD/ca.pem CARGO_REGISTRIES_SAMPLE_INDEX=sparse+${url}/cargo/; cargo init --name me --vcs none && cargo add wharf-sample --registry sample && cargo fetch && cat Cargo.lock`,
    fetched: "/cargo/files/wharf-sample/1.0.0/download",
    output: /name = "wharf-sample"/,
  },
  gem: {
    command: `SSL_CERT_FILE=ca.pem gem install wharf-sample --clear-sources --source ${url}/gem/ --install-dir gems --no-document && GEM_PATH=gems ruby -e 'require "wharf_sample"; puts WHARF_SAMPLE'`,
    fetched: "/gem/gems/wharf-sample-1.0.0.gem",
    output: /^42$/m,
  },
  Maven: {
    command: `keytool -importcert -noprompt -alias ca -file ca.pem -keystore trusted -storepass changeit && echo '<project><modelVersion>4.0.0</modelVersion><parent><groupId>wharf.example</groupId><artifactId>wharf-sample</artifactId><version>1.0.0</version><relativePath/></parent><artifactId>me</artifactId><packaging>pom</packaging><repositories><repository><id>sample</id><url>${url}/maven</url></repository></repositories></project>' > pom.xml && MAVEN_OPTS="-Djavax.net.ssl.trustStore=$PWD/trusted -Djavax.net.ssl.trustStorePassword=changeit" mvn --batch-mode validate`,
    fetched: "/maven/wharf/example/wharf-sample/1.0.0/wharf-sample-1.0.0.pom",
    output: /BUILD SUCCESS/,
  },
};

let folder: string;
let registry: PackageRegistry;
let harness: ConformanceHarness;
let runner: Runner;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "wharf-packages-"));
  registry = await PackageRegistry.start(host, join(folder, "tls"), createSamplePackages(folder, host));
  const lead = (() => connect({ host: "127.0.0.1", port: registry.port })) as unknown as typeof connect;
  const findAddresses = async () => [{ address: "93.184.216.34", family: 4 as const }];
  harness = await ConformanceHarness.open(local, { findAddresses, connect: lead });
  harness.hostRules = [{ patterns: getHostPatterns(host), allowsPrivate: false }];
  runner = await harness.runner();
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test.for(Object.entries(projects))("%s reaches its registry", async ([name, { command, fetched, output }]) => {
  registry.requests.length = 0;
  const project = name.replaceAll(/\W+/g, "-");
  const certificate = `cat > ca.pem <<'END'\n${registry.certificate}END`;
  const { exit, stdout, stderr } = await runner.exec(
    `mkdir ${project} && cd ${project} && ${certificate}\n${command}`,
    {
      timeout_s: 100,
    },
  );
  expect({ exit_code: exit?.exit_code, stdout }, stderr).toEqual({
    exit_code: 0,
    stdout: expect.stringMatching(output),
  });
  expect(registry.requests).toContain(fetched);
});
