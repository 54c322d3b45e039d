import { createHmac } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { tokenFile } from "@wharf/contract/data-folder";
import { ensureOwner, ensureStoredSecret, type StoredValue, ensureStoredValue } from "../access/index.ts";
import { AuditLog } from "../audit/index.ts";
import type { Config } from "../config/index.ts";
import { createKeys } from "../runners/index.ts";
import { joinInstallation, refuseCopiedFolder } from "../servers/index.ts";
import { getErrorMessage } from "../std/errors.ts";
import { lockDataFolder } from "../store/data-folder-lock.ts";
import { startEmbeddedPostgres } from "../store/embedded/index.ts";
import { migrateDatabase, Notifications, openDatabase, Wakeup } from "../store/index.ts";
import type { ServerSetup } from "./server-options.ts";

export type Storage = Awaited<ReturnType<typeof openStorage>>;

/** Locks the data folder, reads its secrets, and opens the database. */
export async function openStorage(setup: ServerSetup) {
  const { options, logger, parts, secrets } = setup;
  const { config } = options;
  await lockFolder(setup);
  const getStoredValue = ({ value, repair }: StoredValue): string => {
    if (repair) logger.warn(repair);
    return value;
  };
  const secret = config.secret ?? getStoredValue(await ensureStoredSecret(config.dataFolder, "secret"));
  // Servers that share a secret share the owner's token, so that a client may use any of them.
  const token = config.secret
    ? await createSharedToken(config)
    : getStoredValue(await ensureStoredValue(config.dataFolder, tokenFile));
  secrets.register("WHARF_SECRET", secret);
  secrets.register("WHARF_TOKEN", token);
  const serverId = getStoredValue(await ensureStoredSecret(config.dataFolder, "instance"));
  const { db, background, pool, ledgerPool, connection } = await openMigratedDatabase(setup);
  const notifications = parts.use(
    new Notifications({
      connection,
      onError: (error) => logger.warn({ error }, "the connection for notifications failed; reconnecting"),
    }),
  );
  const redact = (text: string) => secrets.redactText(text);
  const audit = parts.use(new AuditLog({ db: background, serverId, logger, redact }));
  return {
    audit,
    secret,
    token,
    serverId,
    keys: createKeys(secret),
    db,
    background,
    pool,
    ledgerPool,
    notifications,
    wakeup: new Wakeup(notifications),
    owner: await ensureOwner(db),
    installation: await joinInstallation(db, { secret, dataFolder: config.dataFolder }),
  };
}

async function lockFolder({ options, logger, parts, stop }: ServerSetup): Promise<void> {
  const { dataFolder } = options.config;
  await mkdir(dataFolder, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  const onLost = (error: WharfError) => {
    logger.fatal({ error }, "another server took the data folder after its lock file was removed; stopping");
    stop({ runners: false });
  };
  parts.use(await lockDataFolder(dataFolder, { onLost }));
  options.onLocked?.();
  await refuseCopiedFolder(dataFolder);
}

/**
 * Returns a token that is the same on every server with this secret, and writes it to a file for
 * the command line.
 */
async function createSharedToken({ dataFolder, secret }: Config): Promise<string> {
  const token = createHmac("sha256", secret ?? "")
    .update("owner token")
    .digest("base64url");
  await writeFile(join(dataFolder, tokenFile), `${token}\n`, { mode: 0o600 });
  return token;
}

async function openMigratedDatabase({ options: { config }, logger, parts }: ServerSetup) {
  const onError = (error: Error) => logger.warn({ error }, "a database connection failed");
  const embedded = config.databaseUrl
    ? undefined
    : parts.use(
        await startEmbeddedPostgres({
          folder: join(config.dataFolder, "postgres"),
          notify: (notice) => logger[notice.kind === "down" ? "error" : "debug"](notice, "PostgreSQL"),
        }),
      );
  const connection = embedded ? embedded.connection : { connectionString: config.databaseUrl };
  const store = openDatabase(connection, onError);
  parts.defer(() => store.close());
  try {
    await migrateDatabase(store.pool);
  } catch (error) {
    throw new WharfError("database_unavailable", { reason: getErrorMessage(error) }, { cause: error });
  }
  return { ...store, connection };
}
