import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const packages = {
  gemini: "@google/gemini-cli",
  claude: "@agentclientprotocol/claude-agent-acp",
  codex: "@agentclientprotocol/codex-acp",
  opencode: "opencode-ai",
  qwen: "@qwen-code/qwen-code",
};

test.each(Object.entries(packages))(
  "%s is tested in the version that its image and the documentation name",
  (agent, name) => {
    const { dependencies } = JSON.parse(read("scripts/test-services/agents/package.json"));
    const version: string = dependencies[name];
    expect(
      JSON.parse(read("scripts/test-services/agents/package-lock.json")).packages[`node_modules/${name}`],
    ).toMatchObject({ version });
    expect(read(`deploy/images/${agent}/Dockerfile`)).toContain(` ${name}@${version} `);
    const row = read("docs/start.md")
      .split("\n")
      .find((line) => line.startsWith(`| \`${agent}\` `));
    expect(row?.split("|")[2]?.trim()).toBe(version);
  },
);

test("every agent installed for the tests has an image and a documented version", () => {
  const { dependencies } = JSON.parse(read("scripts/test-services/agents/package.json"));
  expect(Object.keys(dependencies).toSorted()).toEqual(Object.values(packages).toSorted());
});
