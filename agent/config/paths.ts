// Where things lie unless the configuration says otherwise: for the system service and for a plain user.
export interface DefaultPaths {
  readonly config: string;
  readonly state: string;
}

/** `superuser`: the process runs as root or under systemd with a state directory. XDG Base Directory Specification for plain users. */
export const defaultPaths = (
  environment: Readonly<Record<string, string | undefined>>,
  superuser: boolean,
): DefaultPaths => {
  if (superuser || environment["STATE_DIRECTORY"] !== undefined)
    return { config: "/etc/petrel/petrel.yaml", state: environment["STATE_DIRECTORY"] ?? "/var/lib/petrel" };
  const home = environment["HOME"] ?? ".";
  return {
    config: `${environment["XDG_CONFIG_HOME"] ?? `${home}/.config`}/petrel/petrel.yaml`,
    state: `${environment["XDG_STATE_HOME"] ?? `${home}/.local/state`}/petrel`,
  };
};
