import { organizationHeader, WharfError } from "@wharf/contract";
import { type AccessWatch, type Authenticator, type Caller, createScope } from "../../access/index.ts";
import type { PreviewLinks } from "../../access/index.ts";
import type { StandaloneRunners } from "../../runners/index.ts";
import { parsePreviewName, type PreviewTarget } from "./preview-name.ts";

/** What the creator of a preview needs as long as it is used. */
export const previewNeed = "workspace:exec";

export interface OpenPreviewsOptions {
  readonly accessWatch: AccessWatch;
  readonly authenticator: Authenticator;
  readonly previewLinks: PreviewLinks;
  readonly standaloneRunners: Pick<StandaloneRunners, "get">;
}

/** The use of a preview by one request; disposing ends the use. */
export interface PreviewUse extends Disposable {
  readonly target: PreviewTarget;
  /** The person who created the preview, as they are now. */
  readonly caller: Caller;
  /** Aborts with the reason when the preview ends. */
  readonly signal: AbortSignal;
}

interface OpenPreview {
  readonly target: PreviewTarget;
  readonly ended: AbortController;
  caller: Caller;
  users: number;
  idleTimer?: NodeJS.Timeout;
  expiryTimer?: NodeJS.Timeout;
  stopWatching: () => void;
}

/** A page loads in bursts of requests; later ones are admitted again. */
const idleMs = 30_000;

/**
 * The previews in use:
 *
 *   none ── first request: link, sender and access ──► open ── 30 s without use ──► none
 *                  └── refused: nothing is kept           └── expired, ended or withdrawn: cut
 *
 * While a preview is open, `AccessWatch` checks it again after every change of access.
 */
export class OpenPreviews {
  readonly #options: OpenPreviewsOptions;
  readonly #previews = new Map<string, Promise<OpenPreview>>();

  constructor(options: OpenPreviewsOptions) {
    this.#options = options;
  }

  /** Throws the reason why the preview may not be used. */
  async use(name: string): Promise<PreviewUse> {
    const opening = this.#previews.get(name) ?? this.#open(name);
    this.#previews.set(name, opening);
    const preview = await opening.catch((error: unknown) => {
      if (this.#previews.get(name) === opening) this.#previews.delete(name);
      throw error;
    });
    preview.ended.signal.throwIfAborted();
    preview.users += 1;
    clearTimeout(preview.idleTimer);
    let isReleased = false;
    return {
      target: preview.target,
      caller: preview.caller,
      signal: preview.ended.signal,
      [Symbol.dispose]: () => {
        if (isReleased) return;
        isReleased = true;
        preview.users -= 1;
        if (preview.users > 0 || preview.ended.signal.aborted) return;
        preview.idleTimer = setTimeout(() => this.#end(name, preview), idleMs).unref();
      },
    };
  }

  close(): void {
    for (const [name, opening] of this.#previews) {
      void opening.then(
        (preview) => this.#end(name, preview),
        () => undefined,
      );
    }
  }

  async #open(name: string): Promise<OpenPreview> {
    const { accessWatch, authenticator, previewLinks, standaloneRunners } = this.#options;
    const target = parsePreviewName(name);
    if (!target) throw new Error(`'${name}' is not the name of a preview`);
    const since = accessWatch.time;
    const { proof, organization_id, expires_at } = await previewLinks.find(name);
    const credentials = { proof, [organizationHeader]: organization_id };
    const caller = await authenticator.authenticate(credentials).catch((cause: unknown) => {
      if (cause instanceof WharfError && cause.status === 401) throw new WharfError("preview_not_found", {}, { cause });
      throw cause;
    });
    const check = async (present: Caller) => {
      await previewLinks.find(name);
      await standaloneRunners.get(createScope(present, previewNeed), target.runnerId);
    };
    await check(caller);
    const preview: OpenPreview = {
      target,
      caller,
      users: 0,
      ended: new AbortController(),
      stopWatching: () => undefined,
    };
    const access = {
      credentials,
      subject: `preview ${name}`,
      check,
      onChecked: (present: Caller) => void (preview.caller = present),
      onWithdrawn: (error: WharfError) => this.#end(name, preview, error),
    };
    preview.stopWatching = accessWatch.add(access, { caller, since });
    preview.expiryTimer = setTimeout(() => this.#end(name, preview), expires_at.getTime() - Date.now()).unref();
    return preview;
  }

  #end(name: string, preview: OpenPreview, reason?: WharfError): void {
    clearTimeout(preview.idleTimer);
    clearTimeout(preview.expiryTimer);
    preview.stopWatching();
    this.#previews.delete(name);
    preview.ended.abort(reason ?? new WharfError("preview_not_found", {}));
  }
}
