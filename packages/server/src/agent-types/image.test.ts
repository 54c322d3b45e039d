import { expect, test } from "vitest";
import { builtInAgentTypes } from "./built-in.ts";
import { getAgentImage, qualifyImage } from "./image.ts";

const names = { prefix: "registry.example.com/team/", tag: "0.1.0" };

test("every built-in agent's image comes from the configured registry under the configured tag", () => {
  const images = builtInAgentTypes.flatMap(({ docker_image = null, docker_tag = "latest" }) => {
    return getAgentImage({ docker_image, docker_tag }, names) ?? [];
  });
  expect(images).toContain("registry.example.com/team/wharf-gemini:0.1.0");
  for (const image of images) expect(image).toMatch(/^registry\.example\.com\/team\/wharf-[a-z]+:0\.1\.0$/);
});

test.each([
  ["wharf-runner", "registry.example.com/team/wharf-runner:0.1.0"],
  ["wharf-runner:latest", "registry.example.com/team/wharf-runner:0.1.0"],
  ["wharf-runner:v7", "registry.example.com/team/wharf-runner:v7"],
  ["host:5000/wharf-gemini:latest", "host:5000/wharf-gemini:latest"],
  ["debian:12", "debian:12"],
])("%s becomes %s", (image, qualified) => {
  expect(qualifyImage(image, names)).toBe(qualified);
});

test("an image with a digest is not changed", () => {
  const docker_image = `wharf-gemini@sha256:${"0".repeat(64)}`;
  expect(getAgentImage({ docker_image, docker_tag: "latest" }, names)).toBe(docker_image);
});
