// What a real homeserver looks like to tests, the demo and CI, whichever it is.

export interface ServerUser {
  readonly userId: string;
  readonly accessToken: string;
  readonly deviceId: string;
  readonly password: string;
}

export interface AddUserOptions {
  readonly password?: string;
  readonly admin?: boolean;
  /** Exempt from rate limits. On Dendrite only admins are, so there it makes an admin. */
  readonly liftLimits?: boolean;
}

export interface RealServer {
  readonly name: "synapse" | "dendrite";
  readonly url: string;
  readonly serverName: string;
  /** The folder that holds configuration, database and log. */
  readonly folder: string;
  readonly pid: () => number;
  addUser(name: string, options?: AddUserOptions): Promise<ServerUser>;
  /** Off and on again: same port, same data. */
  restart(): Promise<void>;
  /** As a power cut would: SIGKILL to the whole process group, data kept. `restart()` brings it back. */
  kill(): Promise<void>;
  /** Ends the process group and removes the folder (unless it was given). */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** Rates high enough to be out of the way, for everybody. Default: the server's own limits. */
  readonly liftLimits?: boolean;
  /** Default: chosen free. */
  readonly port?: number;
  readonly serverName?: string;
  /** Default: a temporary folder, removed by `stop()`. */
  readonly folder?: string;
  /** Told what is being done whenever it may take over a second. */
  readonly progress?: (line: string) => void;
  /** Laid over the top level of the server's configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** A peer that cannot be had here; the message says what to install. */
export class ServerUnavailable extends Error {
  readonly code = "server-unavailable";
  constructor(message: string) {
    super(message);
    this.name = "ServerUnavailable";
  }
}
