import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

type Files = Record<string, string | Buffer>;

/** Creates the files of registries that each have one package, `wharf-sample` 1.0.0, for `host`. */
export function createSamplePackages(folder: string, host: string): Files {
  const create = (name: string, build: (root: string) => Files) => {
    const root = join(folder, name);
    mkdirSync(root, { recursive: true });
    return build(root);
  };
  return {
    ...create("pypi", createWheel),
    ...create("go", createModule),
    ...create("cargo", (root) => createCrate(root, host)),
    ...create("gem", createGem),
    ...createMavenParent(),
  };
}

function writeFiles(root: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
}

const run = (cwd: string, command: string, ...args: string[]): void =>
  void execFileSync(command, args, { cwd, stdio: ["ignore", "ignore", "pipe"] });

/** Creates an archive of the files alone: Go refuses one with entries of folders. */
function zip(root: string, archive: string, files: readonly string[]): Buffer {
  const script =
    "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1], 'w'); [z.write(f) for f in sys.argv[2:]]; z.close()";
  run(root, "python3", "-c", script, archive, ...files);
  return readFileSync(join(root, archive));
}

function createWheel(root: string): Files {
  const information = "wharf_sample-1.0.0.dist-info";
  const files = {
    "wharf_sample.py": "answer = 42\n",
    [`${information}/METADATA`]: "Metadata-Version: 2.1\nName: wharf-sample\nVersion: 1.0.0\n",
    [`${information}/WHEEL`]: "Wheel-Version: 1.0\nGenerator: wharf\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    [`${information}/RECORD`]: `wharf_sample.py,,\n${information}/METADATA,,\n${information}/WHEEL,,\n`,
  };
  writeFiles(root, files);
  const wheel = "wharf_sample-1.0.0-py3-none-any.whl";
  return {
    "/pypi/simple/wharf-sample/": `<!DOCTYPE html><a href="../../files/${wheel}">${wheel}</a>`,
    [`/pypi/files/${wheel}`]: zip(root, wheel, Object.keys(files)),
  };
}

function createModule(root: string): Files {
  const name = "wharf.example/sample";
  const folder = `${name}@v1.0.0`;
  const files = {
    [`${folder}/go.mod`]: `module ${name}\n`,
    [`${folder}/sample.go`]: "package sample\n\nconst Answer = 42\n",
  };
  writeFiles(root, files);
  const base = `/go/${name}/@v`;
  return {
    [`${base}/list`]: "v1.0.0\n",
    [`${base}/v1.0.0.info`]: JSON.stringify({ Version: "v1.0.0", Time: "2026-01-01T00:00:00Z" }),
    [`${base}/v1.0.0.mod`]: `module ${name}\n`,
    [`${base}/v1.0.0.zip`]: zip(root, "module.zip", Object.keys(files)),
  };
}

function createCrate(root: string, host: string): Files {
  const folder = "wharf-sample-1.0.0";
  writeFiles(root, {
    [`${folder}/Cargo.toml`]: '[package]\nname = "wharf-sample"\nversion = "1.0.0"\nedition = "2021"\n',
    [`${folder}/src/lib.rs`]: "pub const ANSWER: u32 = 42;\n",
  });
  run(root, "tar", "-czf", "sample.crate", folder);
  const crate = readFileSync(join(root, "sample.crate"));
  const cksum = createHash("sha256").update(crate).digest("hex");
  const entry = { name: "wharf-sample", vers: "1.0.0", deps: [], cksum, features: {}, yanked: false };
  return {
    "/cargo/config.json": JSON.stringify({ dl: `https://${host}/cargo/files` }),
    "/cargo/wh/ar/wharf-sample": JSON.stringify(entry),
    "/cargo/files/wharf-sample/1.0.0/download": crate,
  };
}

function createGem(root: string): Files {
  writeFiles(root, {
    "source/lib/wharf_sample.rb": "WHARF_SAMPLE = 42\n",
    "source/sample.gemspec": `Gem::Specification.new do |gem|
  gem.name = "wharf-sample"
  gem.version = "1.0.0"
  gem.summary = "A sample"
  gem.authors = ["Wharf"]
  gem.files = ["lib/wharf_sample.rb"]
end
`,
    "index/gems/none": "",
  });
  run(join(root, "source"), "gem", "build", "sample.gemspec", "--output", "../index/gems/wharf-sample-1.0.0.gem");
  run(root, "gem", "generate_index", "--directory", "index");
  const index = join(root, "index");
  const paths = readdirSync(index, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.map((path) => [`/gem/${relative(index, path)}`, readFileSync(path)]));
}

/** A project whose parent is in a registry needs no plugin, and with that no other registry. */
function createMavenParent(): Files {
  const parent = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>wharf.example</groupId>
  <artifactId>wharf-sample</artifactId>
  <version>1.0.0</version>
  <packaging>pom</packaging>
</project>
`;
  return { "/maven/wharf/example/wharf-sample/1.0.0/wharf-sample-1.0.0.pom": parent };
}
