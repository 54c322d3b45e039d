import { buffer } from "node:stream/consumers";
import { WharfError } from "@wharf/contract";
import type { RawRequest, RawResponse } from "@wharf/contract/wire";
import { encodePack } from "./pack.ts";
import type { GitObject } from "./objects.ts";

/** The gateway's side of the wire, as a daemon sees it. */
export type AskGateway = (request: RawRequest) => Promise<RawResponse>;

export interface RemoteRefs {
  readonly branches: ReadonlyMap<string, string>;
  readonly defaultBranch: string | undefined;
}

const maxAnswerBytes = 512 * 1024 * 1024;
const gitTimeout = 60_000; // ms
const heads = "refs/heads/";
const zero = "0".repeat(40);

/** Git's smart HTTP, protocol 0, as much of it as fetching a branch and pushing one need. */
export class GitRemote {
  readonly #ask: AskGateway;
  readonly #path: string;

  constructor(ask: AskGateway, path: string) {
    this.#ask = ask;
    this.#path = path;
  }

  async refs(service: "git-upload-pack" | "git-receive-pack"): Promise<RemoteRefs> {
    const answer = await this.#send({ method: "GET", path: `${this.#path}/info/refs?service=${service}` });
    const branches = new Map<string, string>();
    let defaultBranch: string | undefined;
    for (const line of lines(answer).lines) {
      const [named = "", capabilities = ""] = line.split("\0");
      defaultBranch ??= /symref=HEAD:refs\/heads\/(\S+)/.exec(capabilities)?.[1];
      const [sha = "", ref = ""] = named.split(" ");
      if (/^[0-9a-f]{40}$/.test(sha) && ref.startsWith(heads)) branches.set(ref.slice(heads.length), sha);
    }
    return { branches, defaultBranch };
  }

  /** A pack with these commits and `depth` generations before them. */
  async fetch(commits: readonly string[], depth: number): Promise<Buffer> {
    const [first, ...others] = [...new Set(commits)];
    const wants = [`want ${first} ofs-delta\n`, ...others.map((sha) => `want ${sha}\n`), `deepen ${depth}\n`];
    const body = `${wants.map(pkt).join("")}0000${pkt("done\n")}`;
    const answer = await this.#post("git-upload-pack", Buffer.from(body));
    const pack = answer.indexOf("PACK");
    if (pack < 0) throw this.#failed(lines(answer).lines.join(" ") || "no pack came");
    return answer.subarray(pack);
  }

  async push(update: { branch: string; sha: string; objects: readonly GitObject[] }): Promise<void> {
    const { branch, sha, objects } = update;
    const old = (await this.refs("git-receive-pack")).branches.get(branch) ?? zero;
    if (old === sha) return;
    const ref = heads + branch;
    const head = `${pkt(`${old} ${sha} ${ref}\0report-status agent=wharf-mock\n`)}0000`;
    const answer = await this.#post("git-receive-pack", Buffer.concat([Buffer.from(head), encodePack(objects)]));
    const report = lines(answer).lines;
    if (report.includes("unpack ok") && report.includes(`ok ${ref}`)) return;
    const reason = report.find((line) => !line.startsWith("ok ") && line !== "unpack ok") ?? "the remote said nothing";
    throw new WharfError("push_rejected", { ref, reason });
  }

  #post(service: string, body: Buffer): Promise<Buffer> {
    const headers = { "content-type": `application/x-${service}-request`, "content-length": body.length };
    return this.#send({ method: "POST", path: `${this.#path}/${service}`, headers, body });
  }

  async #send(request: RawRequest): Promise<Buffer> {
    const { status, headers, body } = await this.#ask({ ...request, timeoutMs: gitTimeout });
    if (Number(headers["content-length"] ?? 0) > maxAnswerBytes) body.destroy();
    const bytes = await buffer(body);
    if (status === 200) return bytes;
    throw this.#failed(`status ${status}: ${bytes.toString("utf8", 0, 500)}`);
  }

  #failed(reason: string): WharfError {
    return new WharfError("repository_unreachable", { url: this.#path, reason });
  }
}

const pkt = (text: string) => (Buffer.byteLength(text) + 4).toString(16).padStart(4, "0") + text;

/** The lines of git's framing, up to where something else begins. */
function lines(bytes: Buffer): { lines: string[] } {
  const found: string[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = Number.parseInt(bytes.toString("latin1", at, at + 4), 16);
    if (Number.isNaN(length)) break;
    if (length > 4) found.push(bytes.toString("utf8", at + 4, at + length).replace(/\n$/, ""));
    at += Math.max(length, 4);
  }
  return { lines: found };
}
